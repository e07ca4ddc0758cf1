"""The tables that `glueft evaluate` ends with."""

from __future__ import annotations

from typing import Any

from glueft.metrics import metric_title
from glueft.runs.record import LabelScores, Published
from glueft.system.console import Table
from glueft.terminal.result_tables import interval_text, label_tables
from glueft.terminal.tables import add_published, frameless, named_values, number_columns, scores_text
from glueft.text import score_text


def evaluation_tables(result: dict[str, Any], width: int = 80) -> list[Table]:
    """Return the metrics, beside the run's own where there is a run, the labels, and what else there is to know."""
    primary = result["split"]
    scores = {label: LabelScores(**found) for label, found in result["label_scores"].get(primary, {}).items()}
    thresholds = dict(zip(result["labels"], (result["decision"] or {}).get("thresholds") or (), strict=False))
    tables = label_tables(scores, result["confusion"].get(primary), width, thresholds)
    return [_metrics(result), *tables, _facts(result)]


def _metrics(result: dict[str, Any]) -> Table:
    comparison = result["comparison"]
    table = frameless(result["task"])
    table.add_column("split")
    table.add_column("metric")
    intervals = result["intervals"]
    measured = any(intervals.values())
    number_columns(
        table, "now", *["95 % interval"] * measured, *(("the run's own", "difference") if comparison else ())
    )
    for split, metrics in result["metrics_by_split"].items():
        for name, value in (metrics | result["other_metrics_by_split"][split]).items():
            cells = [split, metric_title(name, result["metric_labels"]), score_text(value)]
            cells += [interval_text(intervals.get(split, {}).get(name))] * measured
            if comparison:
                own, difference = (comparison["splits"][split]["metrics"][name][key] for key in ("run", "difference"))
                cells += ["none", ""] if own is None else [score_text(own), _difference(difference)]
            table.add_row(*cells)
    return table


def _difference(difference: float) -> str:
    return "none" if difference == 0 else score_text(difference, signed=True)


def _facts(result: dict[str, Any]) -> Table:
    data, comparison = result["data"], result["comparison"]
    table = named_values()
    if comparison:
        table.add_row("compared", comparison["summary"])
    for name, split in data["splits"].items():
        table.add_row("rows", f"{split['rows']:,} {name} rows{_whose(comparison, name)}")
    if result["decision"] is not None:
        table.add_row("decision", result["decision"]["text"])
        for split, metrics in result["decision"]["plain_metrics_by_split"].items():
            table.add_row("plain decision", f"{split}: {scores_text(metrics, result['metric_labels'])}")
    for text in result["warnings"]:
        table.add_row("warning", text)
    for difference in comparison["differences"] if comparison else ():
        table.add_row("differs", difference)
    if data["source"] != "sample":  # Other rows than those that published scores are about.
        add_published(table, [*map(Published.model_validate, result["published"])], result["metric_labels"])
    seconds = result["seconds"]
    table.add_row("seconds", ", ".join(f"{part} {seconds[part]:.1f}" for part in ("setup", "evaluate", "total")))
    table.add_row("precision", result["engine"]["precision"])
    table.add_row("model", result["run_dir"] or result["checkpoint"]["name"])
    return table


def _whose(comparison: dict[str, Any] | None, split: str) -> str:
    if comparison is None:
        return ""
    words = {True: "the same as the run's", False: "others than the run's", None: "which the run did not read"}
    return f", {words[comparison['splits'][split]['same_rows']]}"
