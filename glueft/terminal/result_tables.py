"""The tables that a run ends with."""

from __future__ import annotations

from typing import Any

from glueft.files import size
from glueft.metrics import titled
from glueft.push.record import push_options
from glueft.system.console import Table
from glueft.text import score_text


def epoch_table(record: dict[str, Any]) -> Table:
    """Return the table of validation metrics, a row an epoch."""
    table = Table(title="validation by epoch", title_justify="left")
    metrics = titled(record["metrics"], record.get("metric_labels", {}))
    for name in ("epoch", "loss", "validation loss", *metrics, "seconds"):
        table.add_column(name, justify="right")
    for epoch in record["epochs"]:
        values = [epoch["loss"], epoch["validation_loss"], *epoch["metrics"].values()]
        table.add_row(str(epoch["epoch"]), *map(score_text, values), f"{epoch['seconds']:.1f}")
    return table


def result_table(record: dict[str, Any]) -> Table:
    """Return the last table: metrics, time, throughput and the run folder."""
    data = record["data"]
    judged = data["validation_split"]
    title = f"{record['task']}: {data['splits'][judged]['rows']:,} {judged} rows"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("name")
    table.add_column("value", overflow="fold")
    labels, others = record.get("metric_labels", {}), record.get("other_metrics_by_split", {})
    for name, value in titled(record["metrics"] | record.get("other_metrics", {}), labels).items():
        table.add_row(name, score_text(value))
    for split, metrics in record.get("metrics_by_split", {}).items():
        if split != judged:
            table.add_row(split, numbers(titled(metrics | others.get(split, {}), labels)))
    table.add_row("baseline", f"{numbers(titled(record['baseline'], labels))} (always the same answer)")
    if data["source"] != "sample":  # Other rows than those that the others' scores are about.
        for score in record["published"]:
            split = f" on {score['split']}" if score["split"] else ""
            published = numbers(titled(score["metrics"], labels))
            table.add_row("published", f"{published}{split} ({score['model']})")
    for note in data["notes"]:
        table.add_row("rows", note)
    for text in record.get("warnings", []):
        table.add_row("warning", text)
    seconds = record["seconds"]
    done, planned = record["epochs"][-1]["step"], record["num_train_steps"]
    table.add_row("steps", f"{done:,}" if done == planned else f"{done:,} of {planned:,}; stopped early")
    parts = ("setup", "train", "evaluate", "total")
    table.add_row("seconds", ", ".join(f"{part} {seconds[part]:.1f}" for part in parts))
    table.add_row("first step", f"{seconds['first_step']:.1f} s after the start")
    table.add_row("compiling", f"{seconds['compile']:.1f} s")
    table.add_row(
        "throughput", f"{record['examples_per_second']:.1f} examples/s, {record['tokens_per_second']:,.0f} tokens/s"
    )
    table.add_row("padding waste", f"{record['padding_waste']:.1%} of all tokens")
    if record["peak_memory_bytes"] is not None:
        table.add_row("peak memory", size(record["peak_memory_bytes"]))
    if "hub" in record:
        table.add_row("hub", hub_line(record))
    table.add_row("run folder", record["run_dir"])
    return table


def hub_line(record: dict[str, Any]) -> str:
    """Return what became of the push at the end of a run, and how to repeat it where it did not work."""
    hub = record["hub"]
    last = hub["pushes"][-1]
    if last["status"] == "done":
        return f"{last['url']} (commit {last['commit'][:7]})"
    return f"{last['status']}; to repeat it: glueft push {record['run_dir']} {hub['repository']}{push_options(hub)}"


def numbers(metrics: dict[str, float]) -> str:
    """Return `accuracy 0.8578, f1 0.8997`."""
    return ", ".join(f"{name} {score_text(value)}" for name, value in metrics.items())
