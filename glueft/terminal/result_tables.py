"""The tables that a run ends with."""

from __future__ import annotations

from glueft.files import size
from glueft.metrics import titled
from glueft.runs.record import Record
from glueft.system.console import Table
from glueft.terminal.tables import add_published, named_values, number_columns, scores_text
from glueft.text import counted, epoch_text, score_text


def epoch_table(record: Record) -> Table:
    """Return the table of validation metrics, a row an evaluation."""
    table = Table(title="validation by epoch", title_justify="left")
    metrics = titled(record.metrics, record.metric_labels)
    number_columns(table, "epoch", "loss", "validation loss", *metrics, "seconds")
    for epoch in record.evaluations():
        values = [epoch.loss, epoch.validation_loss, *epoch.metrics.values()]
        table.add_row(epoch_text(epoch.epoch), *map(score_text, values), f"{epoch.seconds:.1f}")
    return table


def result_table(record: Record) -> Table:
    """Return the last table: metrics, time, throughput and the run folder."""
    primary, labels = record.primary_split, record.metric_labels
    table = named_values(f"{record.task}: {counted(record.data.splits[primary].rows, f'{primary} row')}")
    for name, value in titled(record.metrics | record.other_metrics, labels).items():
        table.add_row(name, score_text(value))
    for split, metrics in record.shown_metrics().items():
        if split != primary:
            table.add_row(split, scores_text(metrics, labels))
    if record.decision is not None:
        table.add_row("decision", record.decision.text())
        for split, metrics in record.decision.plain_metrics.items():
            of = "" if split == primary else f"{split}: "
            plainly = "thresholds of 0.5" if record.multi_label else "the most probable label"
            table.add_row("plain decision", f"{of}{scores_text(metrics, labels)} ({plainly})")
    table.add_row("baseline", f"{scores_text(record.baseline, labels)} (always the same answer)")
    if record.data.source != "sample":  # Other rows than those that published scores are about.
        add_published(table, record.published, labels)
    for note in record.data.notes:
        table.add_row("rows", note)
    for text in record.warnings:
        table.add_row("warning", text)
    seconds = record.seconds
    done, planned = record.epochs[-1].step, record.num_train_steps
    if record.kept is not None:
        table.add_row("kept", record.kept.text(labels))
    table.add_row("steps", f"{done:,}" if done == planned else f"{done:,} of {planned:,}; stopped early")
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
    if record.hub is not None:
        table.add_row("hub", hub_line(record))
    table.add_row("run folder", record.run_dir)
    return table


def hub_line(record: Record) -> str:
    """Return what became of the push at the end of a run, and how to repeat it where it did not work."""
    assert record.hub is not None
    last = record.hub.pushes[-1]
    if last.status == "done":
        return f"{last.url} (commit {last.commit[:7]})"
    return f"{last.status}; to repeat it: glueft push {record.run_dir} {record.hub.repository}{record.hub.options()}"
