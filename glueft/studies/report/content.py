"""What the page shows of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from glueft.metrics import metric_title
from glueft.page.html import FILE_NAME, relative_link
from glueft.page.parts import DataTable, Plot, Tile
from glueft.page.plot import style
from glueft.page.words import duration, label_text, visible
from glueft.studies.report.plots import MOST_ROWS, curves_plot, setting_plot, strip_plot
from glueft.studies.result import RecipeResult, StudyResult, StudyRun
from glueft.studies.tables.notes import cut, notes
from glueft.studies.tables.summary import SCORE, average, scored, task_scores, title_of
from glueft.studies.tables.table import grids
from glueft.studies.words import counts_text, rows_text, setting_text
from glueft.text import counted, score_text

# Recipes with drawings, their hyperparameters that are drawn, and settings that are: drawing takes a tenth of a second.
MOST_DRAWN = 20
MOST_KEYS = 4
MOST_SETTINGS = 12
# Failed runs that are named at the top.
MOST_NAMED = 5
_LONGEST_FILE = 200_000


@dataclass(frozen=True)
class RunRow:
    """A run as the page lists it.

    Attributes:
        name: of the run.
        link: to its report, or else to its folder, as seen from the page; "" where it has none.
        cells: the others.
    """

    name: str
    link: str
    cells: Sequence[str]


@dataclass(frozen=True)
class RecipePart:
    """What the page shows of one recipe.

    Attributes:
        key: its ids begin with it.
        title: of the task.
        chosen: the setting, in words; "" while it is open or where there is one.
        reason: why it was chosen.
        facts: sentences on it.
        settings: a row a setting, the best first; None where there is one.
        settings_note: what is left out of it; "" if nothing.
        plots: of its runs.
        runs: those that are listed.
        runs_note: how many are not; "" if all are.
    """

    key: str
    title: str
    chosen: str
    reason: str
    facts: Sequence[str]
    settings: DataTable | None
    settings_note: str
    plots: Sequence[Plot]
    runs: Sequence[RunRow]
    runs_note: str


@dataclass(frozen=True)
class Content:
    """What the template needs.

    Attributes:
        title: the page's heading.
        study: its name.
        state: done or unfinished.
        summary: what was run.
        notes: what to know first.
        tiles: the average, runs and hours.
        is_open: whether no setting was chosen yet.
        tables: the result, each with its title, and how many of its columns are words.
        table_notes: what to know about them.
        overview: all tasks' runs as points; None where no run is done.
        recipes: each in a section.
        time: hours by recipe; None where no run has a time.
        time_notes: what they count.
        facts: names and values about the study, packages and machine.
        study_file: study.toml; "" where it cannot be read.
    """

    title: str
    study: str
    state: str
    summary: str
    notes: Sequence[str]
    tiles: Sequence[Tile]
    is_open: bool
    tables: Sequence[tuple[str, DataTable, int]]
    table_notes: Sequence[str]
    overview: Plot | None
    recipes: Sequence[RecipePart]
    time: DataTable | None
    time_notes: Sequence[str]
    facts: Sequence[tuple[str, str]]
    study_file: str


def collect(result: StudyResult, page: Path) -> Content:
    """Draw a study.

    Args:
        result: of the study, which need not be finished.
        page: the file that links to the runs.
    """
    with style():
        return Content(
            title=f"{result.name}: {label_text(result.checkpoint)}",
            study=result.name,
            state="done" if result.finished else "unfinished",
            summary=_summary(result),
            notes=[*_notes(result)],
            tiles=_tiles(result),
            is_open=all(recipe.chosen is None for recipe in result.recipes),
            tables=[*_tables(result)],
            table_notes=notes(result),
            overview=_overview(result),
            recipes=[
                _recipe(f"recipe-{number}", recipe, page, drawn=number <= MOST_DRAWN)
                for number, recipe in enumerate(result.recipes, start=1)
            ],
            time=_time(result),
            time_notes=_time_notes(result),
            facts=[*_facts(result)],
            study_file=_study_file(result),
        )


def _summary(result: StudyResult) -> str:
    seeds = len({run.seed for run in result.runs})
    settings = max((len(recipe.settings) for recipe in result.recipes), default=0)
    folds = max((run.fold or 0 for run in result.runs), default=0)
    parts = [counted(len(result.recipes), "recipe"), counted(seeds, "seed"), *([f"{folds} folds"] if folds else [])]
    parts += [f"up to {settings:,} settings of a recipe"] if settings > 1 else []
    return f"{', '.join(parts)}. {counts_text(Counter(run.state for run in result.runs))}."


def _notes(result: StudyResult) -> Iterator[str]:
    states = Counter(run.state for run in result.runs)
    still = states["waiting"] + states["running"]
    if still or not result.finished:
        yield (
            f"The study is not finished: {still:,} of {counted(len(result.runs), 'run')} waited or ran when this was "
            "written. What follows is of those that are over."
        )
    failed = [run for run in result.runs if run.state == "failed"]
    if failed:
        named = "; ".join(f"{run.name}: {_first_line(run.error)}" for run in failed[:MOST_NAMED])
        yield f"{counted(len(failed), 'run')} failed: {named}{'; ...' * (len(failed) > MOST_NAMED)}"
    collapsed = [run for recipe in result.recipes for run in recipe.reported if run.collapsed]
    if collapsed:
        yield (
            f"{counted(len(collapsed), 'run')} of the table collapsed, to a model that tells nothing apart. They count "
            "as the others do, and are drawn as crosses."
        )


def _tiles(result: StudyResult) -> list[Tile]:
    tiles = []
    found = average(result)
    if found is not None:
        interval = [f"95 % interval {cut(found.interval, (None, 1))} over seeds"] if found.interval else []
        tiles.append(Tile(found.name, score_text(found.mean), [*interval, f"the mean of {len(found.tasks)} tasks"]))
    states = Counter(run.state for run in result.runs)
    over = states["done"] + states["failed"] + states["pruned"]
    others = [f"{states[state]:,} {state}" for state in ("failed", "pruned", "running", "waiting") if states[state]]
    tiles.append(
        Tile("runs done", f"{states['done']:,} of {len(result.runs):,}", [", ".join(others)] if others else [])
    )
    if over and result.seconds:
        hours = {"hours": result.seconds / 3600} | _device_hours(result.runs)
        notes = [f"{count:,.2f} {name}" for name, count in hours.items()]
        tiles.append(Tile("time of all runs", duration(result.seconds), notes))
    return tiles


def _tables(result: StudyResult) -> Iterator[tuple[str, DataTable, int]]:
    """The tables of table.md: scores, chosen settings, expected best of k runs."""
    for grid in grids(result):
        rows: list[Sequence[str]] = []
        for first, *rest in grid.rows:
            # There the name of a task is not repeated; here every row has its own.
            rows.append((first or rows[-1][0], *rest))
        if rows:
            yield grid.title, DataTable(grid.header, rows), grid.texts


def _overview(result: StudyResult) -> Plot | None:
    """All runs of the table as points, a row a recipe: by the score that an average is made of."""
    shown = [recipe for recipe in result.recipes[: 2 * MOST_DRAWN] if recipe.reported]
    rows: dict[str, list[float]] = {}
    collapsed, baselines = {}, {}
    if len(shown) < 2:
        return None  # Its own section shows them.
    for recipe in shown:
        scores = task_scores(recipe)
        name = title_of(recipe)
        rows[name] = [*scores.values()]
        collapsed[name] = [scores[run.name] for run in recipe.reported if run.collapsed and run.name in scores]
        if len(recipe.splits) == 1 and all(metric in recipe.baseline for metric in recipe.metrics):
            baselines[name] = fmean(recipe.baseline[metric] for metric in recipe.metrics)
    if not any(rows.values()):
        return None
    caption = "A point is a run of the chosen setting, the upright line the mean of its task"
    caption += ", a cross a collapsed run" * any(collapsed.values())
    caption += ", the dotted line always the same answer." if baselines else "."
    caption += " The score of a task is the mean of its metrics."
    return strip_plot(
        "overview",
        "Runs by task",
        rows,
        caption,
        row_name="task",
        what="score",
        collapsed=collapsed,
        baselines=baselines,
        wide=True,
    )


def _recipe(key: str, recipe: RecipeResult, page: Path, *, drawn: bool) -> RecipePart:
    several = len(recipe.settings) > 1
    facts = [f"It begins with the encoder of the chosen run of {recipe.starts_from}."] if recipe.starts_from else []
    if recipe.chosen_run is not None:
        facts.append(f"The run that stands for it: {recipe.chosen_run}.")
    ranked = _ranked(recipe)
    listed = sorted(recipe.runs, key=lambda run: (run not in recipe.reported,)) if recipe.reported else [*recipe.runs]
    return RecipePart(
        key=key,
        title=title_of(recipe),
        chosen=setting_text(recipe.chosen) if several and recipe.chosen is not None else "",
        reason=recipe.reason,
        facts=facts,
        settings=_settings(recipe, ranked) if several else None,
        settings_note=_more(len(ranked), "setting", MOST_ROWS),
        plots=_plots(key, recipe, ranked) if drawn else [],
        runs=[_run_row(run, page) for run in listed[:MOST_ROWS]],
        runs_note=_more(len(listed), "run", MOST_ROWS),
    )


def _ranked(recipe: RecipeResult) -> list[tuple[Mapping[str, Any], list[StudyRun]]]:
    """The settings and the runs by which they were compared, the best mean first, those without a score last."""
    compared = recipe.searched or recipe.runs
    by_setting: dict[str, tuple[Mapping[str, Any], list[StudyRun]]] = {}
    for setting in recipe.settings:
        by_setting[_key(setting)] = (setting, [])
    for run in compared:
        by_setting.setdefault(_key(run.setting), (run.setting, []))[1].append(run)
    sign = 1 if recipe.lower_is_better else -1

    def place(entry: tuple[Mapping[str, Any], list[StudyRun]]) -> tuple[bool, float]:
        scores = _scores(entry[1])
        return (not scores, sign * fmean(scores) if scores else 0.0)

    return sorted(by_setting.values(), key=place)


def _settings(recipe: RecipeResult, ranked: Sequence[tuple[Mapping[str, Any], list[StudyRun]]]) -> DataTable:
    rows = []
    for number, (setting, runs) in enumerate(ranked[:MOST_ROWS], start=1):
        scores = _scores(runs)
        chosen = ", chosen" if recipe.chosen is not None and setting == recipe.chosen else ""
        rows.append(
            (
                f"{number}{chosen}",
                setting_text(setting),
                f"{len(scores)}" if len(scores) == len(runs) else f"{len(scores)} of {len(runs)}",
                *(score_text(of(scores)) if scores else "" for of in (fmean, min, max)),
                score_text(stdev(scores)) if len(scores) > 1 else "",
            )
        )
    return DataTable(("rank", "setting", "runs", "mean", "min", "max", "sd"), rows)


def _plots(key: str, recipe: RecipeResult, ranked: Sequence[tuple[Mapping[str, Any], list[StudyRun]]]) -> list[Plot]:
    what = f"{_score_title(recipe)} on {label_text(rows_text(recipe.on))}"
    plots = []
    metrics = _metrics_plot(key, recipe)
    plots += [metrics] if metrics else []
    # The runs of the table may be of other rows than those that chose.
    compared, rows = (recipe.reported, recipe.primary_split) if recipe.reported else (recipe.runs, recipe.on)
    of_curves = f"{_score_title(recipe)} on {label_text(rows_text(rows))}"
    curves = curves_plot(f"{key}-curves", [run for run in compared if run.state == "done"], of_curves)
    plots += [curves] if curves else []
    points = [(setting, score) for setting, runs in ranked for score in _scores(runs)]
    if len(recipe.settings) > 1 and points:
        plots.append(_settings_plot(key, recipe, ranked, what))
        for number, name in enumerate(_varied(recipe)[:MOST_KEYS]):
            plots.append(
                setting_plot(
                    f"{key}-key-{number}",
                    name,
                    [(setting[name], score) for setting, score in points if name in setting],
                    None if recipe.chosen is None else recipe.chosen.get(name),
                    what=what,
                    lower_is_better=recipe.lower_is_better,
                )
            )
    return plots


def _metrics_plot(key: str, recipe: RecipeResult) -> Plot | None:
    """The runs of the table as points, a row a metric of a split."""
    rows: dict[str, list[float]] = {}
    collapsed: dict[str, list[float]] = {}
    for split in recipe.splits:
        for metric in recipe.metrics:
            name = metric_title(metric, _labels(recipe))
            name += f" ({split.removeprefix('validation_')})" if len(recipe.splits) > 1 else ""
            values = [
                (run, run.metrics[split][metric]) for run in recipe.reported if metric in run.metrics.get(split, {})
            ]
            rows[name] = [value for _, value in values]
            collapsed[name] = [value for run, value in values if run.collapsed]
    if not any(rows.values()):
        return None
    most = max(map(len, rows.values()))
    caption = f"{counted(most, 'run')} of the chosen setting, a point each. The upright line is their mean"
    caption += ", a cross a collapsed run." if any(collapsed.values()) else "."
    return strip_plot(f"{key}-metrics", "Runs", rows, caption, row_name="metric", what="metric", collapsed=collapsed)


def _settings_plot(
    key: str, recipe: RecipeResult, ranked: Sequence[tuple[Mapping[str, Any], list[StudyRun]]], what: str
) -> Plot:
    rows, collapsed, strong = {}, {}, None
    for number, (setting, runs) in enumerate(ranked[:MOST_SETTINGS], start=1):
        rows[str(number)] = _scores(runs)
        collapsed[str(number)] = _scores([run for run in runs if run.collapsed])
        if recipe.chosen is not None and setting == recipe.chosen:
            strong = str(number)
    caption = "A row is a setting, by its rank in the table"
    caption += f"; the {MOST_SETTINGS} best of {len(ranked):,}" if len(ranked) > MOST_SETTINGS else ""
    caption += f". Rank {strong} was chosen." if strong else "."
    return strip_plot(
        f"{key}-settings",
        "Runs by setting",
        rows,
        caption,
        row_name="rank of the setting",
        what=what,
        collapsed=collapsed,
        strong=strong,
    )


def _varied(recipe: RecipeResult) -> list[str]:
    """The hyperparameters that are not the same in all settings."""
    keys = dict.fromkeys(key for setting in recipe.settings for key in setting)
    return [key for key in keys if len({repr(setting[key]) for setting in recipe.settings if key in setting}) > 1]


def _run_row(run: StudyRun, page: Path) -> RunRow:
    link = ""
    if run.folder is not None:
        report = run.folder / FILE_NAME
        link = relative_link(report if report.is_file() else run.folder, page)
    state = "collapsed" if run.collapsed and run.state == "done" else run.state
    reason = f": {_first_line(run.error)}" if run.error and run.state in ("failed", "pruned") else ""
    attempts = f" (attempt {run.attempts})" if run.attempts > 1 else ""
    return RunRow(
        run.name,
        link,
        (
            setting_text(run.setting, rounded=True) if run.setting else "",
            run.stage,
            f"{state}{attempts}{reason}",
            str(run.seed) + ("" if run.fold is None else f", fold {run.fold}"),
            "" if run.score is None else score_text(run.score),
            "" if run.seconds is None else duration(run.seconds),
        ),
    )


def _time(result: StudyResult) -> DataTable | None:
    devices = [*_device_hours(result.runs)]
    rows = []
    for recipe in result.recipes:
        seconds = [run.seconds for run in recipe.runs if run.seconds]
        if seconds:
            by_device = _device_hours(recipe.runs)
            numbers = (sum(seconds) / 3600, *(by_device.get(device) for device in devices))
            shown = ("" if hours is None else f"{hours:,.3f}" for hours in numbers)
            rows.append((title_of(recipe), f"{len(seconds):,}", duration(fmean(seconds)), *shown))
    return DataTable(("task", "runs", "mean of a run", "hours", *devices), rows) if rows else None


def _device_hours(runs: Sequence[StudyRun]) -> dict[str, float]:
    """What the runs took of each device: of a processor hours times the threads that computed."""
    hours: dict[str, float] = {}
    for run in runs:
        if run.seconds and run.device == "CPU" and run.threads:
            hours["core-hours"] = hours.get("core-hours", 0.0) + run.seconds / 3600 * run.threads
        elif run.seconds and run.device and run.device != "CPU":
            name = f"hours of {label_text(run.device)}"
            hours[name] = hours.get(name, 0.0) + run.seconds / 3600
    return hours


def _time_notes(result: StudyResult) -> list[str]:
    notes = [
        "Counted are the runs of this study, from the start of their processes to the end, and not attempts "
        "that were given up."
    ]
    if "core-hours" in _device_hours(result.runs):
        notes.append("Core-hours are hours times the threads that computed.")
    return notes


def _facts(result: StudyResult) -> Iterator[tuple[str, str]]:
    yield "checkpoint", result.checkpoint
    if result.started:
        yield "started", result.started
    if result.finished:
        yield "finished", result.finished
    host = result.host
    named = [str(host[key]) for key in ("name", "system") if host.get(key)]
    named[1:1] = [f"{host['cpus']} CPUs"] if host.get("cpus") else []
    if named:
        yield "host", ", ".join(named)
    packages = {"Python": host["python"]} if host.get("python") else {}
    versions = packages | dict(result.versions)
    if versions:
        yield "packages", ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "folder", result.folder.name


def _study_file(result: StudyResult) -> str:
    try:
        with (result.folder / "study.toml").open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_FILE + 1)
    except OSError:
        return ""
    return visible(text if len(text) <= _LONGEST_FILE else f"{text[:_LONGEST_FILE]}\n# ... (cut here)")


def _score_title(recipe: RecipeResult) -> str:
    if recipe.chooses != SCORE:
        return metric_title(recipe.chooses, _labels(recipe))
    return metric_title(recipe.metrics[0], _labels(recipe)) if len(recipe.metrics) == 1 else SCORE


def _labels(recipe: RecipeResult) -> dict[str, str]:
    """For each metric that is about one label that label, as it is shown."""
    return {name: label_text(text) for name, text in recipe.metric_labels.items()}


def _scores(runs: Sequence[StudyRun]) -> list[float]:
    return [run.score for run in scored(runs) if run.score is not None]


def _key(setting: Mapping[str, Any]) -> str:
    return repr(sorted((key, repr(value)) for key, value in setting.items()))


def _first_line(text: str | None) -> str:
    return ((text or "").strip().splitlines() or ["it does not say why"])[0]


def _more(count: int, thing: str, most: int) -> str:
    return f"{most:,} of {counted(count, thing)} are shown." if count > most else ""
