"""The table of `glueft study compare`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from glueft.studies.tables.summary import SCORE
from glueft.system.console import Table
from glueft.text import score_text


def comparison_table(compared: Mapping[str, Any]) -> Table:
    """Return a row for each metric and split of each task, and one for the average."""
    names = "; ".join(f"{study['name']}: {study['study']}, {study['checkpoint']}" for study in compared["studies"])
    table = Table(title=names, title_justify="left", box=None, pad_edge=False)
    table.add_column("task", overflow="fold", min_width=12)
    for header in ("runs", "A", "B", "B less A", "95 % interval", "order A, B"):
        table.add_column(header, justify="right", no_wrap=True)
    for task in compared["tasks"]:
        for title, line in _lines(task):
            table.add_row(title, " and ".join(map(str, task["runs"])), *_cells(line))
        if not task["lines"]:
            table.add_row(task["title"], " and ".join(map(str, task["runs"])))
    mean = compared["average"]
    if mean is not None:
        table.add_row(mean["name"], "", *_cells(mean))
    return table


def _lines(task: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    several = len({line["split"] for line in task["lines"]}) > 1
    split = None
    for line in task["lines"]:
        metric = f"  {line['metric_title']}"
        of_split = f" {line['split'].removeprefix('validation_')}" if several else ""
        first = f"{task['title']}{of_split}" + (metric if line["metric"] != SCORE else "")
        yield (first if line["split"] != split else metric), line
        split = line["split"]


def _cells(line: Mapping[str, Any]) -> Sequence[str]:
    interval, order = "", line["almost_stochastic_order"]
    if line["low"] is not None:
        interval = f"{score_text(line['low'], signed=True)} to {score_text(line['high'], signed=True)}"
    bounds = f"{order['A']:.2f}, {order['B']:.2f}" if order else ""
    return (*map(score_text, line["means"]), score_text(line["difference"], signed=True), interval, bounds)
