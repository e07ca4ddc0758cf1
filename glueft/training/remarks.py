"""What to know of a result beside its numbers, in plain sentences. Keras is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glueft.metrics import lower_is_better, metric_title
from glueft.metrics.decision import Decided
from glueft.text import epoch_text, quoted, score_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.runs.record import Record

# Predicted scores that cover a smaller part of the references' span are told.
COVERED = 0.75


def remarks(record: Record, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> Iterator[str]:
    """Yield a sentence for each thing that is due. What a collapse is warned of is not said again.

    Args:
        record: with the metrics, the baseline and the epochs; without the remarks.
        predictions: of the primary split: what was decided, or the scores, (rows,).
        references: the right labels, or the scores, (rows,).
    """
    collapsed = record.collapse is not None and record.collapse.result
    if not collapsed:
        yield from _all_alike(record, predictions, references)
        yield from _below_baseline(record)
    yield from _better_before(record)


def _all_alike(record: Record, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> Iterator[str]:
    """Labels that are the same for all rows, or scores that lie closer together than those of the references."""
    if len(references) < 2 or (references == references[0]).all():
        return
    if not isinstance(predictions, Decided):
        low, high, least, most = predictions.min(), predictions.max(), references.min(), references.max()
        if high - low < COVERED * (most - least):
            yield f"the predictions cover {_rough(low)} to {_rough(high)} of {least:,g} to {most:,g}"
        return
    labels = predictions.labels
    if labels.ndim == 2:
        if not labels.any():
            yield "no row got any label"
    elif (labels == labels[0]).all():
        names = [*next(iter(record.label_scores.values()), {})]
        named = f", {quoted(names[labels[0]])}" if names else ""
        yield f"every row got one label{named}"


def _rough(score: float) -> str:
    """Two digits of a score, or all before its point: `0.042`, `2.9`, `1,234`."""
    return f"{score:,.0f}" if abs(score) >= 100 else f"{score:.2g}"


def _below_baseline(record: Record) -> Iterator[str]:
    for name, value in record.metrics.items():
        baseline, lower = record.baseline.get(name, value), lower_is_better(name)
        if value > baseline if lower else value < baseline:
            yield (
                f"{metric_title(name, record.metric_labels)} is {'above' if lower else 'below'} the baseline: "
                f"{score_text(value)}, and {score_text(baseline)} for always the same answer"
            )


def _better_before(record: Record) -> Iterator[str]:
    name, evaluations = next(iter(record.metrics), None), record.evaluations()
    if name is None or record.kept is not None or len(evaluations) < 2 or name not in evaluations[0].metrics:
        return
    sign = -1 if lower_is_better(name) else 1
    best = max(evaluations, key=lambda evaluation: sign * evaluation.metrics[name])  # the first of equal ones
    if best is evaluations[-1]:  # What is lower at the end is so by averaged weights or by a threshold, not by epochs.
        return
    plain = {} if record.decision is None else record.decision.plain_metrics.get(record.primary_split, {})
    now = plain.get(name, record.metrics[name])  # Evaluations while it trains are of the plain decision.
    if sign * best.metrics[name] > sign * now:
        yield (
            f"epoch {epoch_text(best.epoch)} was better than the last: {metric_title(name, record.metric_labels)} "
            f"{score_text(best.metrics[name])} then, {score_text(now)} at the end; "
            'training.keep = "best" keeps the best'
        )
