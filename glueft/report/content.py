"""What the page says of a run, from what the run left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from glueft.errors import GlueftError
from glueft.metrics import metric_title
from glueft.report import facts, prediction_plots, training_plots
from glueft.report.mistakes import Mistakes, mistakes_of
from glueft.report.plot import DataTable, Plot, style
from glueft.report.results import Result, results, shown_labels
from glueft.report.scores import CALIBRATION_BINS, Classified, Regressed, classified, regressed
from glueft.report.texts import read_texts
from glueft.report.training import Curves, curves
from glueft.report.words import count, label_text, visible
from glueft.text import score_text
from glueft.version import __version__

if TYPE_CHECKING:
    from glueft.runs.saved_run import SavedRun

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """What the page shows of one split's predictions.

    Attributes:
        key: begins its ids.
        name: the split's.
        summary: how many rows.
        plots: of its predictions.
        calibration_bins: in how many the calibration error was computed; 0 where it was not.
        mistakes: None where its rows have no labels.
    """

    key: str
    name: str
    summary: str
    plots: list[Plot]
    calibration_bins: int
    mistakes: Mistakes | None


@dataclass(frozen=True)
class Content:
    """All that the template needs.

    Attributes:
        title, run: the page's heading, and the name of the run folder.
        status: "done", "failed", "interrupted" or "running".
        ending: what there is to say of a run that is not done.
        summary: the run in a sentence.
        results: metrics beside the baseline and published scores.
        training: the learning curves; `epochs` is the table of the epochs.
        splits: those that were predicted.
        lengths, padding: the histogram, if the run recorded one, and sentences about padding.
        seconds, speed: the drawing of the phases, None where no phase was over, and sentences about speed.
        facts: tables of names and values by heading.
        recipe: its text.
        notes: what could not be shown, and why.
        warnings: what the run was told of before its training.
        version: of the glueft that wrote the page.
    """

    title: str
    run: str
    status: str
    ending: str
    summary: str
    results: Result
    training: list[Plot]
    epochs: DataTable | None
    splits: list[Split]
    lengths: Plot | None
    padding: list[str]
    seconds: Plot | None
    speed: list[str]
    facts: dict[str, facts.Facts]
    recipe: str
    notes: list[str]
    warnings: list[str]
    version: str = __version__


@dataclass
class Reader:
    """Reads the files of a run: of one that is done all must be there, of another one what there is.

    Attributes:
        run: opened.
        notes: what could not be read of a run that is not done.
    """

    run: SavedRun
    notes: list[str] = field(default_factory=list)

    def read(self, read: Callable[[], T], otherwise: T) -> T:
        """Return what `read` does; of a run that is not done, `otherwise` where that fails, and a note."""
        try:
            return read()
        except GlueftError as error:
            if self.run.record["status"] == "done":
                raise
            self.notes.append(str(error).splitlines()[0])
            return otherwise


def collect(run: SavedRun, data_dir: str | Path | None = None) -> Content:
    """Read a run folder and draw its plots.

    Args:
        run: opened; it need not be done.
        data_dir: where the rows are, if not where the run had them.

    Raises:
        RunFolderError: a file of a run that is done is missing or broken. Of another run it becomes a note.
    """
    record, reader = run.record, Reader(run)
    settings: dict[str, Any] = reader.read(run.recipe_settings, {})
    history = reader.read(lambda: _curves(run), Curves())
    with style():
        return Content(
            title=f"{record['task']}: {facts.checkpoint_name(record, settings)}",
            run=run.folder.name,
            status=record["status"],
            ending=facts.ending(record, history.last_step),
            summary=facts.summary(record, settings),
            results=results(record),
            training=_training(history, record, shown_labels(record)),
            epochs=_epochs(history, shown_labels(record)),
            splits=_splits(run, reader, settings, data_dir),
            lengths=_lengths(record.get("data", {})),
            padding=facts.padding(record),
            seconds=training_plots.seconds_plot(record["seconds"]) if record.get("seconds") else None,
            speed=facts.speed(record),
            facts=facts.facts(record),
            recipe=visible(reader.read(lambda: _recipe(run), "")),
            notes=reader.notes,
            warnings=[visible(text) for text in record.get("warnings", [])],
        )


def _curves(run: SavedRun) -> Curves:
    begun = run.record["status"] == "done" or (run.folder / "history.jsonl").exists()
    return curves(run.history()) if begun else Curves()


def _recipe(run: SavedRun) -> str:
    run.recipe_settings()  # says what is wrong with the file
    return (run.folder / "recipe.toml").read_text("utf-8")


def _training(history: Curves, record: Mapping[str, Any], labels: Mapping[str, str]) -> list[Plot]:
    plots = []
    if history.loss:
        plots.append(training_plots.loss_plot(history))
    if history.metrics:
        baseline, known = record.get("baseline", {}), record.get("metric_facts")
        plots.append(training_plots.metrics_plot(history, baseline, labels, known))
    if history.learning_rate:
        plots.append(training_plots.learning_rate_plot(history))
    return plots


def _epochs(history: Curves, labels: Mapping[str, str]) -> DataTable | None:
    if not history.epochs:
        return None
    metrics = (metric_title(name, labels) for name in history.metrics)
    columns = ("epoch", "step", "training loss", "validation loss", *metrics, "seconds")
    rows = [
        (
            str(epoch["epoch"]),
            f"{epoch['step']:,}",
            score_text(epoch["loss"]),
            score_text(epoch["validation_loss"]),
            *map(score_text, epoch["metrics"].values()),
            f"{epoch['seconds']:.1f}",
        )
        for epoch in history.epochs
    ]
    return DataTable(columns, rows)


def _lengths(data: Mapping[str, Any]) -> Plot | None:
    splits = {label_text(name): split for name, split in data.get("splits", {}).items() if "token_lengths" in split}
    return training_plots.lengths_plot(splits, data["max_length"]) if splits else None


def _splits(run: SavedRun, reader: Reader, settings: Mapping[str, Any], data_dir: str | Path | None) -> list[Split]:
    names = run.splits()
    if run.record["status"] == "done" and not names and settings.get("data", {}).get("predict"):
        run.predictions(run.record["data"]["validation_split"])  # says that the file is missing
    splits = []
    for number, name in enumerate(names, start=1):
        split: Split | None = reader.read(partial(_split, run, f"split-{number}", name, data_dir), None)
        splits += [split] if split else []
    return splits


def _split(run: SavedRun, key: str, name: str, data_dir: str | Path | None) -> Split:
    predictions = run.predictions(name)
    scores: Classified | Regressed
    if run.labels:
        found = classified(predictions, run.labels)
        scores = found = replace(found, labels=tuple(map(label_text, found.labels)))
        known = int(scores.labelled.sum())
        plots = [prediction_plots.confusion_plot(key, found)] if known else []
        plots.append(prediction_plots.confidence_plot(key, found))
        plots += [prediction_plots.calibration_plot(key, found)] if known else []
    else:
        scores = regressed(predictions)
        known = int(scores.labelled.sum())
        plots = [prediction_plots.scatter_plot(key, scores)] if known else []
        plots.append(prediction_plots.score_plot(key, scores))
    return Split(
        key=key,
        name=label_text(name),
        summary=_rows(len(predictions.ids), known),
        plots=plots,
        calibration_bins=CALIBRATION_BINS if run.labels and known else 0,
        mistakes=mistakes_of(scores, read_texts(run, name, data_dir)) if known else None,
    )


def _rows(rows: int, labelled: int) -> str:
    if labelled == rows:
        return f"{count(rows, 'row')}."
    return f"{count(rows, 'row')}, {f'{labelled:,} of them with' if labelled else 'without'} labels."
