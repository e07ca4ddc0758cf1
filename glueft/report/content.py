"""What the page shows of a run, from what the run left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from glueft.errors import GlueftError
from glueft.metrics import metric_title
from glueft.metrics.decision import PLAIN_THRESHOLD
from glueft.page.curves import Curves, curves
from glueft.page.parts import Choices, DataTable, Plot
from glueft.page.plot import style
from glueft.page.row_list import RowList
from glueft.page.texts import SplitTexts, read_texts
from glueft.page.words import label_text, label_texts, visible
from glueft.recipe.sections import RUN
from glueft.report import prediction_plots, training_plots
from glueft.report.label_table import label_table
from glueft.report.results import Result, results, shown_labels
from glueft.report.rows import row_list
from glueft.report.scores import (
    CALIBRATION_BINS,
    DRAWN_LABELS,
    Classified,
    LabelSets,
    Regressed,
    at_temperature_1,
    classified,
    label_sets,
    label_sets_at_temperature_1,
    regressed,
)
from glueft.report.slices import by_label, by_length, by_score, drawn_labels, leak_text, slices_plot
from glueft.report.threshold_plots import Decided, choice_of_labels, label_plots
from glueft.runs.how_far import HowFar
from glueft.runs.record import Record
from glueft.text import counted, epoch_text, score_text

if TYPE_CHECKING:
    from glueft.runs.predictions import Predictions
    from glueft.runs.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """What the page shows of one split's predictions.

    Attributes:
        key: its ids begin with it.
        name: the split's.
        summary: how many rows.
        leaks: how many rows stand in train too; "" where none does, or it was not looked.
        labels: precision, recall and F1 of each label; None where there are none.
        plots: of its predictions.
        curves: those of each label where a row has any number of them; None where there are none.
        calibration_bins: the bins of the calibration error; 0 where there is none.
        unit: what is in these bins.
        rows: those that are listed; None where its rows have no labels.
    """

    key: str
    name: str
    summary: str
    leaks: str
    labels: DataTable | None
    plots: list[Plot]
    curves: Choices | None
    calibration_bins: int
    unit: str
    rows: RowList | None


@dataclass(frozen=True)
class Content:
    """What the template needs beside run.json.

    Attributes:
        title: the page's heading.
        run: the name of the run folder.
        settings, recipe: the recipe, parsed and as text; empty where it cannot be read.
        how_far: how far the run came.
        died: whether its process is gone, though its record says that it goes on.
        result: metrics beside the baseline and published scores.
        training: the learning curves; `epochs` is the table of the epochs and evaluations within them.
        splits: those that were predicted.
        lengths: the histogram of lengths, if the run recorded one.
        seconds: the plot of the phases; None where no phase was over.
        notes: what could not be shown, and why.
    """

    title: str
    run: str
    settings: Mapping[str, Any]
    recipe: str
    how_far: HowFar
    died: bool
    result: Result
    training: list[Plot]
    epochs: DataTable | None
    splits: list[Split]
    lengths: Plot | None
    seconds: Plot | None
    notes: list[str]


@dataclass
class Reader:
    """Reads the files of a run. All must be there if it is done; else a missing or broken one becomes a note."""

    run: Run
    notes: list[str] = field(default_factory=list)

    def read(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except GlueftError as error:
            if self.run.record.status == "done":
                raise
            self.notes.append(str(error).splitlines()[0])
            return otherwise


def collect(run: Run, data_dir: str | Path | None = None) -> Content:
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
    labels = shown_labels(record)
    with style():
        return Content(
            title=f"{record.task}: {_checkpoint_name(record, settings)}",
            run=run.folder.name,
            settings=settings,
            how_far=HowFar.of(run.folder, record),
            died=run.has_died(),
            result=results(record),
            training=_training(history, record, labels),
            epochs=_epochs(history, labels),
            splits=_splits(run, reader, settings, data_dir),
            lengths=_lengths(record),
            seconds=training_plots.seconds_plot(record.seconds) if record.seconds else None,
            recipe=visible(reader.read(lambda: _recipe(run), "")),
            notes=reader.notes,
        )


def _checkpoint_name(record: Record, settings: Mapping[str, Any]) -> str:
    """The checkpoint as a heading can hold it: of a folder, the last two names of its path."""
    name = str(record.checkpoint.name or (settings["model"].get("checkpoint") if settings else None) or "?")
    path = PurePath(name.removeprefix(RUN))
    if name.startswith(RUN):
        return RUN + path.name
    return "/".join(path.parts[-2:]) if path.is_absolute() else name


def _curves(run: Run) -> Curves:
    begun = run.record.status == "done" or (run.folder / "history.jsonl").exists()
    return curves(run.history()) if begun else Curves()


def _recipe(run: Run) -> str:
    run.recipe_settings()  # raises where the file is broken
    return (run.folder / "recipe.toml").read_text("utf-8")


def _training(history: Curves, record: Record, labels: Mapping[str, str]) -> list[Plot]:
    plots = []
    if history.loss:
        plots.append(training_plots.loss_plot(history))
    if history.metrics:
        plots.append(training_plots.metrics_plot(history, record, labels))
    if history.learning_rate:
        plots.append(training_plots.learning_rate_plot(history))
    return plots


def _epochs(history: Curves, labels: Mapping[str, str]) -> DataTable | None:
    if not history.evaluations:
        return None
    metrics = (metric_title(name, labels) for name in history.metrics)
    columns = ("epoch", "step", "training loss", "validation loss", *metrics, "seconds")
    rows = [
        (
            epoch_text(epoch["epoch"]),
            f"{epoch['step']:,}",
            score_text(epoch["loss"]),
            score_text(epoch["validation_loss"]),
            *map(score_text, epoch["metrics"].values()),
            f"{epoch['seconds']:.1f}",
        )
        for epoch in history.evaluations
    ]
    return DataTable(columns, rows)


def _lengths(record: Record) -> Plot | None:
    drawn = {
        label_text(name): split
        for name, split in record.data.splits.items()
        if split.rows and split.token_lengths and any(split.token_lengths.rows)
    }
    return training_plots.lengths_plot(drawn, record.data.max_length) if drawn else None


def _splits(run: Run, reader: Reader, settings: Mapping[str, Any], data_dir: str | Path | None) -> list[Split]:
    names = run.splits()
    if run.record.status == "done" and not names and settings["data"].get("predict"):
        run.predictions(run.record.primary_split)  # says that the file is missing
    splits = []
    for number, name in enumerate(names, start=1):
        split: Split | None = reader.read(partial(_split, run, f"split-{number}", name, data_dir), None)
        splits += [split] if split else []
    return splits


def _split(run: Run, key: str, name: str, data_dir: str | Path | None) -> Split:
    predictions = run.predictions(name)
    scores: Classified | LabelSets | Regressed
    labels: DataTable | None = None
    choice: Choices | None = None
    if run.record.multi_label:
        scores, labels, plots, choice = _label_sets(run, key, predictions)
    elif run.labels:
        scores, labels, plots = _classified(run, key, predictions)
    else:
        scores = regressed(predictions)
        plots = [prediction_plots.scatter_plot(key, scores)] if scores.labelled.any() else []
        plots.append(prediction_plots.score_plot(key, scores))
    rows, known = len(predictions.ids), int(scores.labelled.sum())
    texts = read_texts(run, name, data_dir) if known else SplitTexts()
    plots += _slices(key, scores, texts) if known else []
    leaks = run.record.data.leaks.get(name)
    leaked = frozenset(leaks.first if leaks else ())
    summary = f", {f'{known:,} of them with' if known else 'without'} labels" if known < rows else ""
    return Split(
        key=key,
        name=label_text(name),
        summary=f"{counted(rows, 'row')}{summary}.",
        plots=plots,
        curves=choice,
        leaks=leak_text(scores, leaks.rows, leaks.first) if leaks and known else "",
        labels=labels,
        calibration_bins=CALIBRATION_BINS if run.labels and known else 0,
        unit=scores.unit if isinstance(scores, Classified) else "label decisions",
        rows=row_list(key, scores, texts, leaked) if known else None,
    )


def _classified(run: Run, key: str, predictions: Predictions) -> tuple[Classified, DataTable | None, list[Plot]]:
    found = classified(predictions, run.labels)
    scores, temperature = replace(found, labels=label_texts(found.labels)), _temperature(run)
    unscaled = None if temperature == 1 else at_temperature_1(scores, predictions, temperature)
    plots = [prediction_plots.confusion_plot(key, scores)] if scores.labelled.any() else []
    plots += _confidence(key, scores, unscaled)
    plots += _thresholds(run, key, scores, predictions) if len(scores.labels) == 2 else []
    table = label_table(scores.predicted, scores.true, scores.labels) if scores.labelled.any() else None
    return scores, table, plots


def _label_sets(
    run: Run, key: str, predictions: Predictions
) -> tuple[LabelSets, DataTable | None, list[Plot], Choices | None]:
    found = label_sets(predictions, run.labels)
    scores, temperature = replace(found, labels=label_texts(found.labels)), _temperature(run)
    unscaled = None if temperature == 1 else label_sets_at_temperature_1(scores, temperature).decisions()
    thresholds = run.record.decision.thresholds if run.record.decision else {}
    of_labels = [thresholds.get(label, PLAIN_THRESHOLD) for label in run.labels]
    table = label_table(scores.predicted, scores.true, scores.labels, of_labels) if scores.labelled.any() else None
    return scores, table, _confidence(key, scores.decisions(), unscaled), _curves_of_labels(key, scores, of_labels)


def _curves_of_labels(key: str, scores: LabelSets, thresholds: Sequence[float]) -> Choices | None:
    """The curves of the labels that some rows have and some have not, of many those that the most rows have."""
    known = scores.labelled
    true, found, shares = scores.true[known] == 1, scores.predicted[known] == 1, scores.probabilities[known]
    order = sorted(range(len(scores.labels)), key=lambda label: -int(true[:, label].sum()))
    decided = (
        Decided.of(scores.labels[label], shares[:, label], found[:, label], true[:, label], thresholds[label])
        for label in sorted(order[:DRAWN_LABELS])
    )
    curves_of = [each for each in decided if each is not None]
    drawn = (
        f"Of {len(order):,} labels here are those {DRAWN_LABELS} with the most rows." if order[DRAWN_LABELS:] else ""
    )
    return choice_of_labels(key, curves_of, drawn) if curves_of else None


def _temperature(run: Run) -> float:
    return run.record.decision.temperature if run.record.decision else 1.0


def _confidence(key: str, scores: Classified, unscaled: Classified | None) -> list[Plot]:
    """Draw the confidence, and the calibration where there are references; `unscaled` is at temperature 1."""
    plots = [prediction_plots.confidence_plot(key, scores)]
    return plots + ([prediction_plots.calibration_plot(key, scores, unscaled)] if scores.labelled.any() else [])


def _thresholds(run: Run, key: str, scores: Classified, predictions: Predictions) -> list[Plot]:
    """The plots over all thresholds of the positive label; none where the references have one label alone."""
    decision = run.record.decision
    named = [decision.label if decision else None, *run.record.metric_labels.values()]
    place = next((run.labels.index(label) for label in named if label in run.labels), 1)
    known = scores.labelled
    threshold = PLAIN_THRESHOLD if decision is None or decision.threshold is None else decision.threshold
    shares, found, true = predictions.probabilities[known, place], scores.predicted[known], scores.true[known]
    decided = Decided.of(scores.labels[place], shares, found == place, true == place, threshold)
    return label_plots(key, decided) if decided else []


def _slices(key: str, scores: Classified | LabelSets | Regressed, texts: SplitTexts) -> list[Plot]:
    """The plots of parts of the rows, where there are several."""
    if isinstance(scores, Regressed):
        parts = [("score", "By true score", by_score(scores), "true score")]
    elif isinstance(scores, Classified) and drawn_labels(scores):
        parts = [("label", "By label", by_label(scores), "true label")]
    else:
        parts = []
    parts.append(("length", "By length", by_length(scores, texts), "length of the texts"))
    return [
        slices_plot(f"{key}-by-{name}", title, found, scores, of) for name, title, found, of in parts if len(found) > 1
    ]
