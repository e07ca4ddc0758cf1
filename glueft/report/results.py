"""The metrics of a run beside those of the best constant answer and published scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from glueft.metrics import known_metrics, lower_is_better, metric_title
from glueft.page.parts import DataTable, Tile
from glueft.page.words import label_text
from glueft.plugin.wilson import wilson
from glueft.runs.record import Published, Record
from glueft.text import counted, score_text


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        tiles: the metrics of the primary split; none where the run has no result.
        table: every metric of every split, beside the scores to compare with.
        notes: what to know about the comparison.
    """

    tiles: list[Tile] = field(default_factory=list)
    table: DataTable | None = None
    notes: list[str] = field(default_factory=list)


def results(record: Record) -> Result:
    if not record.metrics:
        return Result()
    rows, labels, known = record.data.splits[record.primary_split].rows, shown_labels(record), known_metrics()
    intervals, tiles = record.intervals.get(record.primary_split, {}), []
    for name, value in record.metrics.items():
        notes = []
        if name in record.baseline:
            notes.append(_beside_baseline(record, name, value, intervals.get(name)))
        if name in intervals:
            notes.append(f"95 % interval {interval_text(*intervals[name])}")
        elif name in known and known[name].is_share_right(multi_label=record.multi_label) and 0 <= value <= 1:
            low, high = wilson(round(value * rows), rows)
            notes.append(f"95 % interval {interval_text(low, high)} (Wilson, {counted(rows, 'row')})")
        tiles.append(Tile(metric_title(name, labels), score_text(value), notes))
    published, notes = record.published, []
    if published and record.data.source == "sample":
        notes = ["Published scores are left out: they are of the whole data, and this run used the shipped sample."]
        published = []
    elif published:
        sources = dict.fromkeys(f"{score.model} in {score.source}" for score in published)
        notes = [f"Published: {'; '.join(sources)}."]
    notes += [f"Kept: {record.kept.text(labels)}."] if record.kept is not None else []
    notes += [f"Decision: {record.decision.text()}."] if record.decision is not None else []
    notes += [f"Rows: {'; '.join(record.data.notes)}."] if record.data.notes else []
    return Result(tiles, _table(record, published), notes)


def _beside_baseline(record: Record, name: str, value: float, interval: Sequence[float] | None) -> str:
    """How far a metric is from that of the best constant answer, and whether its interval holds that one, too."""
    baseline = record.baseline[name]
    less = lower_is_better(name, record["metric_facts"] if record.metric_facts else {})
    better = (value > baseline) != less
    gap = score_text(abs(value - baseline))
    told = f"{gap} {'better' if better else 'worse'} than always the same answer" if value != baseline else ""
    within = interval is not None and interval[0] <= baseline <= interval[1]
    return (told or "the same as always the same answer") + (
        f", whose {score_text(baseline)} lies in the interval" if within and told else ""
    )


def shown_labels(record: Record) -> dict[str, str]:
    """Return for each metric that is about one label that label, as it is shown."""
    return {name: label_text(label) for name, label in record.metric_labels.items()}


def _table(record: Record, published: Sequence[Published]) -> DataTable:
    primary, labels = record.primary_split, shown_labels(record)
    models = list(dict.fromkeys(score.model for score in published))
    rows = []
    baselines = record.all_baselines()
    by_split, plain = record.shown_metrics(), record.decision.plain_metrics if record.decision else {}
    for split, metrics in by_split.items():
        for name, value in metrics.items():
            # The first score of each model for this metric and split.
            scores = {
                score.model: score_text(score.metrics[name])
                for score in reversed(published)
                if (score.split or primary) == split and name in score.metrics
            }
            constant = baselines.get(split, {}).get(name)
            interval = record.intervals.get(split, {}).get(name)
            title = metric_title(name, labels) + (f" ({split})" if len(by_split) > 1 else "")
            at_plain = (score_text(plain[split][name]) if name in plain.get(split, {}) else "",) if plain else ()
            rows.append(
                (
                    title,
                    score_text(value),
                    *([interval_text(*interval) if interval else ""] if record.intervals else []),
                    *at_plain,
                    "" if constant is None else score_text(constant),
                    *(scores.get(model, "") for model in models),
                )
            )
    decided = "with thresholds of 0.5" if record.multi_label else "its most probable labels"
    own = ("this run", *(("95 % interval",) if record.intervals else ()), *((decided,) if plain else ()))
    return DataTable(("metric", *own, "always the same answer", *models), rows)


def interval_text(low: float, high: float) -> str:
    return f"{score_text(low)} to {score_text(high)}"
