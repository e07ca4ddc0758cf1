"""The tables that `glueft evaluate` ends with."""

from __future__ import annotations

from typing import Any

from glueft.metrics import metric_title, titled
from glueft.system.console import Table
from glueft.terminal.result_tables import numbers
from glueft.text import score_text


def evaluation_tables(result: dict[str, Any]) -> list[Table]:
    """Return the metrics, beside the run's own where there is a run, and what else there is to know."""
    return [_metrics(result), _facts(result)]


def _metrics(result: dict[str, Any]) -> Table:
    comparison = result["comparison"]
    table = Table(title=result["task"], title_justify="left")
    table.add_column("split")
    table.add_column("metric")
    table.add_column("now", justify="right")
    if comparison:
        table.add_column("the run's own", justify="right")
        table.add_column("difference", justify="right")
    for split, metrics in result["metrics_by_split"].items():
        for name, value in (metrics | result["other_metrics_by_split"][split]).items():
            cells = [split, metric_title(name, result["metric_labels"]), score_text(value)]
            if comparison:
                run = comparison["splits"][split]["metrics"][name]
                cells += (
                    ["none", ""] if run["run"] is None else [score_text(run["run"]), _difference(run["difference"])]
                )
            table.add_row(*cells)
    return table


def _difference(difference: float) -> str:
    """Return "none", or the difference with as many digits as it takes to see it."""
    return "none" if difference == 0 else score_text(difference, signed=True)


def _facts(result: dict[str, Any]) -> Table:
    data, comparison = result["data"], result["comparison"]
    table = Table(show_header=False)
    table.add_column("name")
    table.add_column("value", overflow="fold")
    if comparison:
        table.add_row("compared", comparison["summary"])
    for name, split in data["splits"].items():
        table.add_row("rows", f"{split['rows']:,} {name} rows{_whose(comparison, name)}")
    for note in data["notes"]:
        table.add_row("rows", note)
    for text in result["warnings"]:
        table.add_row("warning", text)
    for difference in comparison["differences"] if comparison else ():
        table.add_row("differs", difference)
    if data["source"] != "sample":  # Other rows than those that the others' scores are about.
        for score in result["published"]:
            split = f" on {score['split']}" if score["split"] else ""
            published = numbers(titled(score["metrics"], result["metric_labels"]))
            table.add_row("published", f"{published}{split} ({score['model']})")
    seconds = result["seconds"]
    table.add_row("seconds", ", ".join(f"{part} {seconds[part]:.1f}" for part in ("setup", "evaluate", "total")))
    table.add_row("model", result["run_dir"] or result["checkpoint"]["name"])
    return table


def _whose(comparison: dict[str, Any] | None, split: str) -> str:
    if comparison is None:
        return ""
    return {True: ", the same as the run's", False: ", others than the run's", None: ", which the run did not read"}[
        comparison["splits"][split]["same_rows"]
    ]
