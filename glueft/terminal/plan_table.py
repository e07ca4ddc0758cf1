"""The tables of a plan."""

from __future__ import annotations

from typing import Any

from glueft.data.splits import labels_text, most_frequent
from glueft.files import size
from glueft.recipe.sections import short_checkpoint
from glueft.system.console import Table
from glueft.terminal.result_tables import MOST_LABELS
from glueft.terminal.tables import frameless, named_values, number_columns
from glueft.text import counted, duration


def plan_tables(plan: dict[str, Any]) -> tuple[Table, ...]:
    tables = [split_table(plan), *label_table(plan), step_table(plan), width_table(plan)]
    if plan["estimate"] is not None:
        tables.append(estimate_table(plan["estimate"]))
    return tuple(tables)


def split_table(plan: dict[str, Any]) -> Table:
    """Return a row for each split."""
    table = frameless(f"{plan['task']}: data ({plan['data']['source']})")
    table.add_column("split")
    splits, leaks = plan["data"]["splits"], plan["data"]["leaks"]
    leaked = any(found["rows"] for found in leaks.values())
    windowed = any("windows" in split for split in splits.values())
    added = ["windows"] * windowed + ["found in train"] * leaked
    number_columns(table, "rows", "tokens", "tokens a row", "truncated rows", *added)
    for name, split in splits.items():
        if "tokens" in split:
            mean = split["tokens"] / split["rows"]
            numbers = [f"{split['tokens']:,}", f"{mean:.1f}", f"{split['truncated_rows']:,}"]
        else:
            numbers = ["not read", "", ""]
        if windowed:
            numbers.append(f"{split['windows']:,}" if "windows" in split else "")
        if leaked:
            numbers.append(f"{leaks[name]['rows']:,}" if name in leaks else "")
        table.add_row(name, f"{split['rows']:,}", *numbers)
    return table


def label_table(plan: dict[str, Any]) -> list[Table]:
    """Return a row for each label, with its rows in each labelled split; of many labels the ends alone."""
    counts = {name: split["labels"] for name, split in plan["data"]["splits"].items() if split.get("labels")}
    if not counts:
        return []
    rows = {name: plan["data"]["splits"][name]["rows"] for name in counts}
    first, multi_label = next(iter(counts.values())), plan.get("multi_label", False)
    if len(first) > MOST_LABELS:
        table = named_values("labels")
        for name, of_split in counts.items():
            table.add_row(name, labels_text(of_split, rows[name], multi_label=multi_label))
        return [table]
    table = frameless("rows of each label")
    table.add_column("label", overflow="fold")
    number_columns(table, *counts)
    for label in first:
        table.add_row(label, *(_share(of_split.get(label, 0), rows[name]) for name, of_split in counts.items()))
    most = [max(of_split, key=of_split.__getitem__) for of_split in counts.values()]
    table.add_row(most_frequent(multi_label), *most)
    return [table]


def _share(count: int, rows: int) -> str:
    return f"{count:,} ({100 * count / rows:.1f} %)" if rows else f"{count:,}"


def step_table(plan: dict[str, Any]) -> Table:
    table = named_values("training")
    parts = plan["gradient_accumulation_steps"]
    rows = f"{plan['batch_size']} {'windows' if 'windows' in plan['data'] else 'rows'}"
    table.add_row("batch", rows if parts == 1 else f"{rows}, {parts} of them a step")
    epochs = f"{plan['epochs']} epoch" + ("s" if plan["epochs"] > 1 else "")
    table.add_row("steps", f"{plan['num_train_steps']:,}: {epochs} of {plan['steps_per_epoch']:,}")
    if plan["evaluations"] != plan["epochs"]:
        table.add_row("evaluations", f"{plan['evaluations']:,}, {plan['epochs']:,} of them at the ends of epochs")
    table.add_row("warm-up", counted(plan["warmup_steps"], "step") if plan["warmup_steps"] else "none")
    rates = plan["learning_rate"]
    if rates is not None:
        table.add_row(
            "learning rate",
            f"first {rates['first']:.3g}, peak {rates['peak']:.3g} (step {rates['peak_step']:,}), "
            f"last {rates['last']:.3g}",
        )
    table.add_row("tokens", f"{plan['train_tokens']:,} in all steps")
    table.add_row("padding waste", f"{plan['padding_waste']:.1%} of all tokens")
    table.add_row("shapes", f"{counted(plan['batches']['shapes'], 'pair')} of rows and padded length")
    if plan["parameters"] is not None:
        table.add_row("parameters", f"{plan['parameters']:,}, of which {plan['trainable_parameters']:,} are trained")
    if (taught := plan["distillation"]) is not None:
        heat = "" if taught["temperature"] is None else f", temperature {taught['temperature']}"
        table.add_row("teacher", f"{short_checkpoint(taught['teacher'])}, weight {taught['weight']}{heat}")
    engine = plan["engine"]
    table.add_row("backend", f"{engine['backend']}: {engine['backend_reason']}")
    table.add_row("precision", f"{engine['precision']}: {engine['precision_reason']}")
    devices = engine["devices"]
    if devices is not None and devices["count"] > 1:
        table.add_row("devices", f"{devices['count']} of {devices['available']} share out each batch")
    table.add_row("disk", disk(plan["disk"]))
    compiled = "yes" if engine["jit_compile"] else "no"
    table.add_row("compiled (XLA)", f"{compiled}: {engine['jit_compile_reason']}")
    return table


def disk(planned: dict[str, Any]) -> str:
    """Return the needed and the free room in words."""
    needed, free = planned["needed_bytes"], planned["free_bytes"]
    there = "" if free is None else f", {size(free)} free" + (": too little" if free < needed else "")
    states = planned["states_bytes"]
    more = f"; up to {size(states)} more for saved states, if it trains for long" if states else ""
    return f"{size(needed)} to be written in {planned['folder']}{there}{more}"


def width_table(plan: dict[str, Any]) -> Table:
    """Return a row for each range of padded lengths, with the number of batches."""
    ranges = plan["batches"]["widths"]
    table = frameless("batches by padded length")
    number_columns(table, "tokens", "batches", "share")
    for width in ranges:
        table.add_row(
            f"{width['from']} to {width['to']}",
            f"{width['batches']:,}",
            f"{width['batches'] / plan['num_train_steps']:.0%}",
        )
    return table


def estimate_table(estimate: dict[str, Any]) -> Table:
    seconds = estimate["seconds"]
    table = named_values("estimate of a run on this machine")
    if "teacher" in seconds:
        table.add_row("teacher", f"{spell(seconds['teacher'])} for its logits, once for all runs of a study")
    table.add_row("first step", f"{seconds['first_step']:.1f} s after the start")
    parts = ", ".join(f"{name} {spell(seconds[name])}" for name in ("steps", "validation"))
    table.add_row("training", f"{spell(seconds['train'])}: {parts}, compiling {spell(seconds['compile'])}")
    table.add_row("in all", spell(seconds["total"]))
    if estimate["peak_memory_bytes"] is not None:
        table.add_row("peak memory", size(estimate["peak_memory_bytes"]))
    if estimate["device"] is not None:
        add_device(table, estimate["device"])
    table.add_row("basis", estimate["basis"])
    return table


def add_device(table: Table, device: dict[str, Any]) -> None:
    """Add what a plan says of the device's memory."""
    limit, step = device["limit_bytes"], device["step"]
    of_all = "" if limit is None else f" of {size(limit)}"
    if device["name"] is not None:
        table.add_row("memory of the GPU", f"{size(device['peak_memory_bytes'])}{of_all} ({device['name']})")
    if step is not None:
        rows = f"{counted(step['rows'], 'row')} of {step['length']} tokens"
        parts = f"{size(step['argument_bytes'])} for weights and state, {size(step['temp_bytes'])} in between"
        table.add_row("memory of a step", f"{size(step['total_bytes'])}{of_all} for {rows}: {parts} (XLA)")


def spell(seconds: float) -> str:
    """Write seconds as `4.2 s`, or `m:ss` from two minutes on."""
    return f"{seconds:.1f} s" if seconds < 120 else duration(seconds)
