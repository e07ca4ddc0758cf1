"""The metrics of a run beside what always giving the same answer gives, and beside published scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glueft.metrics import metric_title
from glueft.report.plot import DataTable
from glueft.report.scores import wilson
from glueft.report.words import label_text
from glueft.text import score_text


@dataclass(frozen=True)
class Tile:
    """One metric of the split that the run is judged by: its name, its value and what to make of it."""

    name: str
    value: str
    notes: list[str]


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        tiles: the metrics that it is judged by; none where it has no result.
        table: every metric of every split, beside the scores to compare with.
        notes: what to know about the comparison.
    """

    tiles: list[Tile]
    table: DataTable | None
    notes: list[str]


def results(record: Mapping[str, Any]) -> Result:
    """Return the result that run.json holds."""
    metrics: Mapping[str, float] = record["metrics"]
    if not metrics:
        return Result([], None, [])
    data = record["data"]
    judged = data["validation_split"]
    rows = data["splits"][judged]["rows"]
    baseline, labels = record.get("baseline", {}), shown_labels(record)
    others = record.get("other_metrics_by_split") or {judged: record.get("other_metrics", {})}
    tiles = []
    for name, value in metrics.items():
        notes = []
        if name in baseline:
            notes.append(f"{score_text(value - baseline[name], signed=True)} over always the same answer")
        if name == "accuracy":
            low, high = wilson(round(value * rows), rows)
            notes.append(f"95 % interval {low:.3f} to {high:.3f} (Wilson, {rows:,} rows)")
        tiles.append(Tile(metric_title(name, labels), score_text(value), notes))
    published, notes = _published(record)
    by_split = record.get("metrics_by_split") or {judged: metrics}
    by_split = {split: found | others.get(split, {}) for split, found in by_split.items()}
    table = _table(by_split, judged, baseline, published, labels)
    rows_notes = [f"Rows: {'; '.join(data['notes'])}."] if data.get("notes") else []
    return Result(tiles, table, notes + rows_notes)


def shown_labels(record: Mapping[str, Any]) -> dict[str, str]:
    """Return for each metric that is about one label that label, as it is shown."""
    return {name: label_text(label) for name, label in record.get("metric_labels", {}).items()}


def _published(record: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[str]]:
    published = record.get("published", [])
    if published and record["data"]["source"] == "sample":
        return [], ["Published scores are left out: they are of the whole data, and this run used the shipped sample."]
    sources = dict.fromkeys(f"{score['model']} in {score['source']}" for score in published)
    return published, [f"Published: {'; '.join(sources)}."] if sources else []


def _table(
    by_split: Mapping[str, Mapping[str, float]],
    judged: str,
    baseline: Mapping[str, float],
    published: list[Mapping[str, Any]],
    labels: Mapping[str, str],
) -> DataTable:
    models = list(dict.fromkeys(score["model"] for score in published))
    several = len(by_split) > 1
    rows = []
    for split, metrics in by_split.items():
        for name, value in metrics.items():
            others = []
            for model in models:
                found = [
                    score["metrics"][name]
                    for score in published
                    if score["model"] == model and (score["split"] or judged) == split and name in score["metrics"]
                ]
                others.append(score_text(found[0]) if found else "")
            same = score_text(baseline[name]) if split == judged and name in baseline else ""
            shown = metric_title(name, labels)
            rows.append((f"{shown} ({split})" if several else shown, score_text(value), same, *others))
    return DataTable(("metric", "this run", "always the same answer", *models), rows)
