"""The tables that a run ends with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from glueft.files import size
from glueft.metrics import metric_title
from glueft.runs.record import LabelScores, Record
from glueft.system.console import Table
from glueft.terminal.tables import add_published, frameless, named_values, number_columns, scores_text
from glueft.text import counted, duration, printable_line, score_text

# The labels of a table of labels, and of a confusion matrix.
MOST_LABELS, MOST_CONFUSED = 20, 8
# A column of it has at least so many letters of its label's name.
_SHORTEST = 5
_RUN_FOLDER = "run folder"


def result_tables(record: Record, width: int, *, verbose: bool = False) -> Iterator[Table]:
    """Yield the tables of metrics, of labels, of confusions where there are few labels, and of facts beside them.

    Below the last belong `lines_to_copy`.

    Args:
        record: of a run that is done.
        width: of the terminal.
        verbose: with all that was measured.
    """
    primary = record.primary_split
    title = f"{record.task}: {counted(record.data.splits[primary].rows, f'{primary} row')}"
    yield metric_table(title, record.shown_metrics(), record.intervals, record.metric_labels, record.all_baselines())
    thresholds = record.decision.thresholds if record.decision is not None else {}
    yield from label_tables(record.label_scores.get(primary, {}), record.confusion.get(primary), width, thresholds)
    yield fact_table(record, verbose=verbose)


def metric_table(
    title: str,
    metrics: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str],
    baselines: Mapping[str, Mapping[str, float]],
) -> Table:
    """Return a row a metric of each split, with its interval and the baseline.

    Args:
        title: of the table.
        metrics: by split, the primary one first.
        intervals: of them, where there are any.
        labels: for each metric of one label, the label.
        baselines: the metrics of always the same answer, by split.
    """
    table = frameless(title)
    if len(metrics) > 1:
        table.add_column("split")
    table.add_column("metric")
    measured, compared = any(intervals.values()), any(baselines.values())
    number_columns(table, "value", *["95 % interval"] * measured, *["baseline"] * compared)
    for split, values in metrics.items():
        for name, value in values.items():
            cells: list[str | Text] = [split] if len(metrics) > 1 else []
            cells += [metric_title(name, labels), Text(score_text(value), "bold")]
            if measured:
                cells.append(interval_text(intervals.get(split, {}).get(name)))
            if compared:
                baseline = baselines.get(split, {}).get(name)
                cells.append("" if baseline is None else score_text(baseline))
            table.add_row(*cells)
    return table


def interval_text(interval: Any) -> str:
    """Return `0.8199 to 0.8926`; nothing where there is none."""
    return "" if interval is None else " to ".join(map(score_text, interval))


def label_tables(
    scores: Mapping[str, LabelScores],
    confusion: list[list[int]] | None,
    width: int,
    thresholds: Mapping[str, float] | None = None,
) -> Iterator[Table]:
    """Yield the table of labels and the confusion matrix, where they are small enough to be read.

    Args:
        scores: of each label.
        confusion: by reference and prediction, in the order of the scores.
        width: of the terminal.
        thresholds: of a multi-label task, where they are not the plain ones: the probability of each label.
    """
    if not 2 <= len(scores) <= MOST_LABELS:
        return
    table = frameless()
    table.add_column("label", overflow="fold")
    number_columns(table, "precision", "recall", "F1", "support", *["threshold"] * bool(thresholds), no_wrap=True)
    for label, score in scores.items():
        cells = [*map(score_text, (score.precision, score.recall, score.f1)), f"{score.support:,}"]
        table.add_row(label, *cells, *([score_text(thresholds[label])] if thresholds else []))
    yield table
    if confusion is None or len(scores) > MOST_CONFUSED:
        return
    corner = "reference \\ predicted"
    first = max(len(corner), *(len(printable_line(label)) for label in scores))
    room = (width - first) // len(scores) - 2  # for the name of a column
    numbers = max(len(f"{count:,}") for row in confusion for count in row)
    if room < max(numbers, _SHORTEST):
        return
    table = frameless()
    table.add_column(corner, no_wrap=True)
    number_columns(table, *(_short(label, room) for label in scores), no_wrap=True)
    for place, (label, row) in enumerate(zip(scores, confusion, strict=True)):
        table.add_row(label, *(Text(f"{count:,}", "bold" if place == at else "") for at, count in enumerate(row)))
    yield table


def _short(label: str, longest: int) -> str:
    shown = printable_line(label)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def fact_table(record: Record, *, verbose: bool = False) -> Table:
    """Return what there is to know beside the metrics: decision, published scores, warnings, time."""
    primary, labels = record.primary_split, record.metric_labels
    table = named_values()
    table.columns[0].min_width = len(_RUN_FOLDER)
    if (labels_in_all := len(record.label_scores.get(primary, {}))) > MOST_LABELS:
        table.add_row("labels", f"{labels_in_all:,}: the scores of each are in the report and in run.json")
    if record.decision is not None:
        # `label_tables` has them.
        table.add_row("decision", record.decision.text(with_thresholds=not 2 <= labels_in_all <= MOST_LABELS))
        for split, metrics in record.decision.plain_metrics.items():
            of = "" if split == primary else f"{split}: "
            plainly = "thresholds of 0.5" if record.multi_label else "the most probable label"
            table.add_row("plain decision", f"{of}{scores_text(metrics, labels)} ({plainly})")
    if record.data.source != "sample":  # Other rows than those that published scores are about.
        add_published(table, record.published, labels)
    for text in record.warnings:
        table.add_row("warning", text)
    if record.kept is not None:
        table.add_row("kept", record.kept.text(labels))
    done, planned = record.epochs[-1].step if record.epochs else None, record.num_train_steps
    if done is not None and planned is not None and done != planned:
        table.add_row("steps", f"{done:,} of {planned:,}; stopped early")
    if verbose:
        _add_measured(table, record)
    elif "total" in record.seconds:
        speed = f", {record.examples_per_second:.1f} examples/s in training" if record.examples_per_second else ""
        table.add_row("time", f"{duration(record.seconds['total'])}{speed}")
    return table


def lines_to_copy(record: Record, facts: Table) -> list[str]:
    """Return the lines below `fact_table`, in line with it, that hold a path or a command: nothing may break them."""
    rows = ([] if record.hub is None else [("hub", hub_line(record))]) + [(_RUN_FOLDER, record.run_dir)]
    width = max(len(str(name)) for name in (_RUN_FOLDER, *facts.columns[0].cells))
    return [printable_line(f"{name:<{width}}  {value}") for name, value in rows]


def _add_measured(table: Table, record: Record) -> None:
    seconds = record.seconds
    table.add_row("steps", f"{record.epochs[-1].step:,}")
    parts = ("setup", "train", "evaluate", "total")
    table.add_row("seconds", ", ".join(f"{part} {seconds[part]:.1f}" for part in parts))
    table.add_row("first step", f"{seconds['first_step']:.1f} s after the start")
    table.add_row("compiling", f"{seconds['compile']:.1f} s")
    table.add_row(
        "throughput", f"{record.examples_per_second:.1f} examples/s, {record.tokens_per_second:,.0f} tokens/s"
    )
    table.add_row("padding waste", f"{record.padding_waste:.1%} of all tokens")
    if record.peak_memory_bytes is not None:
        device = record.peak_device_memory_bytes
        on_device = f", and {size(device)} on the GPU" if device else ""
        table.add_row("peak memory", size(record.peak_memory_bytes) + on_device)


def hub_line(record: Record) -> str:
    """Return what became of the push at the end of a run, and how to repeat it where it did not work."""
    assert record.hub is not None
    last = record.hub.pushes[-1]
    if last.status == "done":
        return f"{last.url} (commit {last.commit[:7]})"
    run = shlex.quote(record.run_dir)
    return f"{last.status}; to repeat it: glueft push {run} {record.hub.repository}{record.hub.options()}"
