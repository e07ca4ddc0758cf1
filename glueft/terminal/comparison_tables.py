"""The tables of `glueft compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glueft.metrics import metric_title
from glueft.recipe.sections import short_checkpoint
from glueft.system.console import Table
from glueft.terminal.tables import number_columns
from glueft.text import counted, duration, score_text, setting_text


def tables(compared: Mapping[str, Any]) -> list[Table]:
    """Return the tables of runs, settings that differ, differences of metrics, and means over seeds, if not empty."""
    shown = [run_table(compared)]
    shown += difference_tables(compared)
    if any(map(differing_metrics, compared["comparisons"])):
        shown.append(metric_table(compared))
    if compared["seeds"]:
        shown.append(seed_table(compared))
    return shown


def run_table(compared: Mapping[str, Any]) -> Table:
    rows = counted(compared["rows"], f"{compared['split']} row")
    table = _table(f"{compared['task']}: {rows}", "", "run", "checkpoint")
    metrics = list(compared["runs"][0]["metrics"])
    titles = (metric_title(name, compared["metric_labels"]) for name in metrics)
    number_columns(table, *titles, "time", "seed", no_wrap=True)
    for run in compared["runs"]:
        table.add_row(
            run["name"],
            Path(run["folder"]).name,
            short_checkpoint(str(run["checkpoint"] or "")),
            *(score_text(run["metrics"][name]) for name in metrics),
            "" if run["seconds"] is None else duration(run["seconds"]),
            str(run["seed"]),
        )
    return table


def difference_tables(compared: Mapping[str, Any]) -> list[Table]:
    """Return what differs and can have changed the result, and what differs beside it; neither where it is empty."""
    runs = [run["name"] for run in compared["runs"]]
    found, material = compared["differences"], compared["material"]
    rest = {
        part: {key: values for key, values in keys.items() if key not in material.get(part, {})}
        for part, keys in found.items()
    }
    titled = {"what differs": material, "differs too, and changes no result": rest}
    tables = []
    for title, parts in titled.items():
        table = _table(title, "key", *runs)
        for part, keys in parts.items():
            for key, values in keys.items():
                named = key if part == "recipe" else f"{part}: {key}"
                table.add_row(named, *(setting_text(key, value) for value in values))
        tables += [table] if table.row_count else []
    return tables


def metric_table(compared: Mapping[str, Any]) -> Table:
    """Return a row for each metric of each run that differs from the first run."""
    table = _table(f"differences to {compared['comparisons'][0]['to']}", "", "metric")
    number_columns(table, "difference", "95 % interval", no_wrap=True)
    for pair in compared["comparisons"]:
        for name, metric in differing_metrics(pair).items():
            interval = f"{score_text(metric['low'], signed=True)} to {score_text(metric['high'], signed=True)}"
            shown_name = metric_title(name, compared["metric_labels"])
            table.add_row(pair["run"], shown_name, score_text(metric["difference"], signed=True), interval)
    return table


def differing_metrics(pair: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a run if its predictions, or their probabilities, differ from those of the first run."""
    found = pair["metrics"].items()
    return {name: metric for name, metric in found if pair["rows_that_differ"] or metric["verdict"] != "same"}


def seed_table(compared: Mapping[str, Any]) -> Table:
    """Return a row for each metric of each group of runs that differ in the seed alone."""
    table = _table("over seeds", "runs", "metric")
    number_columns(table, "mean", "standard error", "standard deviation", no_wrap=True)
    for group in compared["seeds"]:
        for name, spread in group["metrics"].items():
            numbers = (spread[key] for key in ("mean", "standard_error", "standard_deviation"))
            shown_name = metric_title(name, compared["metric_labels"])
            table.add_row(", ".join(group["runs"]), shown_name, *map(score_text, numbers))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
