"""What the page shows of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.comparison.notes import collapsed, tuned
from glueft.comparison.report.plots import Gap, curves_plot, evaluation_lines, gaps_plot, interval_text, loss_lines
from glueft.comparison.report.rows import agreement, disagreements
from glueft.errors import GlueftError
from glueft.metrics import lower_is_better, metric_title
from glueft.page.curves import Curves, curves
from glueft.page.html import FILE_NAME, relative_link
from glueft.page.parts import DataTable, Plot, Tile
from glueft.page.plot import style
from glueft.page.texts import SplitTexts, read_texts
from glueft.page.words import duration, label_text, listed
from glueft.text import counted, score_text, setting_text

if TYPE_CHECKING:
    from glueft.comparison.compare import Comparison
    from glueft.page.row_list import RowList
    from glueft.runs.run import Run

# Metrics whose curves are drawn: a drawing takes a tenth of a second.
MOST_METRICS = 6
MOST_GAPS = 40


@dataclass(frozen=True)
class RunRow:
    """A run as the page lists it: its letter, the name of its folder, a link to its report or folder, and numbers."""

    name: str
    folder: str
    link: str
    cells: Sequence[str]


@dataclass(frozen=True)
class Content:
    """What the template needs.

    Attributes:
        title: the page's heading.
        summary: what was compared.
        sentences: the conclusions.
        tiles: a metric each, where there are two runs.
        runs: each in a row; `columns` heads their numbers.
        differences: their drawing; None where nothing differs.
        table: of the differences, with what is concluded; None where nothing differs.
        seeds: mean and spread over runs that differ in the seed alone; None where there are none.
        training: the learning curves.
        agreement: how often runs are right on the same rows; None in regression.
        rows: those on which the runs disagree.
        material: what differs and can have changed the result; None where nothing does.
        others: what differs beside it, with the reason; None where nothing does.
        warnings: what speaks against a run, or against what it is compared by.
        notes: what else to know to read the numbers.
        missing: what could not be shown, and why.
    """

    title: str
    summary: str
    sentences: Sequence[str]
    tiles: Sequence[Tile]
    columns: Sequence[str]
    runs: Sequence[RunRow]
    differences: Plot | None
    table: DataTable | None
    seeds: DataTable | None
    training: Sequence[Plot]
    agreement: DataTable | None
    rows: RowList
    material: DataTable | None
    others: DataTable | None
    warnings: Sequence[str]
    notes: Sequence[str]
    missing: Sequence[str]


def collect(comparison: Comparison, page: Path, data_dir: Path | None = None) -> Content:
    """Draw a comparison.

    Args:
        comparison: of runs.
        page: the file that links to their reports.
        data_dir: where the rows are, if not where the runs had them.
    """
    found, runs = comparison.found, comparison.runs
    names = [run["name"] for run in found["runs"]]
    missing: list[str] = []
    histories = {name: _curves(name, run, missing) for name, run in zip(names, runs, strict=True)}
    labels = {name: label_text(label) for name, label in found["metric_labels"].items()}
    gaps = _gaps(found, labels)
    warnings = [
        note
        for name, run in zip(names, runs, strict=True)
        for note in [*collapsed(name, run.record.collapse), *tuned(name, run.record.decision, found["split"])]
    ]
    with style():
        return Content(
            title=f"{found['task']}: {counted(len(names), 'run')} compared",
            summary=f"On {counted(found['rows'], 'row')} of the {label_text(found['split'])} split, "
            f"each run against {names[0]}.",
            sentences=found["sentences"],
            tiles=_tiles(found, labels) if len(names) == 2 else [],
            columns=[*(metric_title(name, labels) for name in found["runs"][0]["metrics"]), "seed", "time"],
            runs=[_run_row(run, shown, page) for run, shown in zip(runs, found["runs"], strict=True)],
            differences=gaps_plot(gaps[:MOST_GAPS], names[0], found["rows"]) if gaps else None,
            table=_table(found, labels),
            seeds=_seeds(found, labels),
            training=_training(comparison, histories, labels),
            agreement=agreement(names, comparison.rows),
            rows=disagreements(names, comparison.rows, _texts(runs, found["split"], data_dir)),
            material=_differences(names, found["material"]),
            others=_others(names, found),
            warnings=warnings,
            notes=[note for note in found["notes"] if note not in warnings],
            missing=missing,
        )


def _curves(name: str, run: Run, missing: list[str]) -> Curves:
    try:
        return curves(run.history())
    except GlueftError as error:
        missing.append(f"{name} has no learning curves: {str(error).splitlines()[0]}")
        return Curves()


def _texts(runs: Sequence[Run], split: str, data_dir: Path | None) -> SplitTexts:
    """The texts of the rows from the first run whose rows can be read: they are the same for all."""
    found = [SplitTexts()]
    for run in runs:
        found.append(read_texts(run, split, data_dir))
        if not found[-1].missing:
            return found[-1]
    return found[1]


def _run_row(run: Run, shown: Mapping[str, Any], page: Path) -> RunRow:
    report = run.folder / FILE_NAME
    return RunRow(
        shown["name"],
        run.folder.name,
        relative_link(report if report.is_file() else run.folder, page),
        (
            *map(score_text, shown["metrics"].values()),
            str(shown["seed"]),
            "" if shown["seconds"] is None else duration(shown["seconds"]),
        ),
    )


def _tiles(found: Mapping[str, Any], labels: Mapping[str, str]) -> list[Tile]:
    (pair,) = found["comparisons"]
    tiles = []
    for name, metric in pair["metrics"].items():
        values = ", ".join(f"{run['name']} {score_text(run['metrics'][name])}" for run in found["runs"])
        interval = f"95 % interval {interval_text(metric['low'], metric['high'])}"
        difference = score_text(metric["difference"], signed=True)
        tiles.append(Tile(metric_title(name, labels), difference, [values, interval, _verdict(metric, pair["to"])]))
    return tiles


def _verdict(metric: Mapping[str, Any], first: str) -> str:
    kind = metric["verdict"]
    if kind in ("better", "worse"):
        return f"{kind} than {first}"
    return "the same predictions" if kind == "same" else "no difference that these rows can show"


def _gaps(found: Mapping[str, Any], labels: Mapping[str, str]) -> list[Gap]:
    return [
        Gap(
            f"{pair['run']}: {metric_title(name, labels)}",
            metric["difference"],
            metric["low"],
            metric["high"],
            metric["verdict"],
        )
        for pair in found["comparisons"]
        for name, metric in pair["metrics"].items()
        if metric["verdict"] != "same"
    ]


def _table(found: Mapping[str, Any], labels: Mapping[str, str]) -> DataTable | None:
    rows = [
        (
            pair["run"],
            metric_title(name, labels),
            _verdict(metric, pair["to"]),
            score_text(metric["difference"], signed=True),
            interval_text(metric["low"], metric["high"]),
        )
        for pair in found["comparisons"]
        for name, metric in pair["metrics"].items()
    ]
    return DataTable(("run", "metric", "conclusion", "difference", "95 % interval"), rows) if rows else None


def _seeds(found: Mapping[str, Any], labels: Mapping[str, str]) -> DataTable | None:
    rows = [
        (
            ", ".join(group["runs"]),
            metric_title(name, labels),
            *(score_text(spread[key]) for key in ("mean", "standard_error", "standard_deviation")),
        )
        for group in found["seeds"]
        for name, spread in group["metrics"].items()
    ]
    return DataTable(("runs", "metric", "mean", "standard error", "standard deviation"), rows) if rows else None


def _training(comparison: Comparison, histories: Mapping[str, Curves], labels: Mapping[str, str]) -> list[Plot]:
    record = comparison.runs[0].record
    facts = record["metric_facts"] if record.metric_facts else {}
    drawn = [
        ("loss", "Training loss", "training loss", loss_lines(histories), True),
        ("validation-loss", "Validation loss", "validation loss", evaluation_lines(histories), True),
    ]
    for number, name in enumerate([*comparison.found["runs"][0]["metrics"]][:MOST_METRICS]):
        title = metric_title(name, labels)
        lines = evaluation_lines(histories, name)
        drawn.append((f"metric-{number}", f"Validation: {title}", title, lines, lower_is_better(name, facts)))
    tuned_at_the_end = [
        run["name"]
        for run, opened in zip(comparison.found["runs"], comparison.runs, strict=True)
        if opened.record.decision and "threshold" in opened.record.decision.tuned
    ]
    plainly = "During the training labels were decided plainly; the results of {} are at tuned thresholds."
    note = plainly.format(listed(tuned_at_the_end)) if tuned_at_the_end else ""
    return [
        curves_plot(name, title, what, lines, lower_is_better=lower, note=note if name.startswith("metric") else "")
        for name, title, what, lines, lower in drawn
        if lines
    ]


def _differences(names: Sequence[str], parts: Mapping[str, Mapping[str, Sequence[Any]]]) -> DataTable | None:
    rows = [
        (_key(part, key), *(setting_text(key, value) for value in values))
        for part, keys in parts.items()
        for key, values in keys.items()
    ]
    return DataTable(("key", *names), rows) if rows else None


def _others(names: Sequence[str], found: Mapping[str, Any]) -> DataTable | None:
    """What differs and changes no result, with the reason."""
    reasons = {"callbacks": "it only watches", "host": "where it ran"}
    rows = [
        (
            _key(part, key),
            found["same_in_fact"].get(key, "") if part == "recipe" else reasons.get(part, ""),
            *(setting_text(key, value) for value in values),
        )
        for part, keys in found["differences"].items()
        for key, values in keys.items()
        if key not in found["material"].get(part, {})
    ]
    return DataTable(("key", "why it changes nothing", *names), rows) if rows else None


def _key(part: str, key: str) -> str:
    return key if part == "recipe" else f"{part}: {key}"
