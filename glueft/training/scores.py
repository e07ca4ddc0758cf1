"""The metrics of a task: of predictions, and of the best constant prediction (the baseline)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glueft.metrics import compute_metrics, known_metrics, other_metrics
from glueft.metrics.bootstrap import Intervals, intervals
from glueft.metrics.decision import PLAIN_THRESHOLD, Decided
from glueft.metrics.per_label import label_scores
from glueft.metrics.tuning import tune_threshold, tune_thresholds
from glueft.plugin.attribution import is_foreign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.plugin.task import Task

# run.json has the confusion matrix of at most so many labels.
CONFUSED = 100


def task_metrics(task: Task, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> dict[str, float]:
    """Return the task's own metrics by name; arguments as for `compute_metrics`."""
    return _computed(task, task.metrics, predictions, references)


def metrics_beside(task: Task, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> dict[str, float]:
    """Return the metrics that are shown beside them."""
    return _computed(task, other_metrics(task.metrics, len(task.labels), task.multi_label), predictions, references)


def score_intervals(task: Task, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> Intervals:
    """Return the 95 % interval of each of both; arguments as for `glueft.metrics.bootstrap.intervals`."""
    known, positive = known_metrics(), task.positive_index
    names = (*task.metrics, *other_metrics(task.metrics, len(task.labels), task.multi_label))
    return intervals([known[name](task.labels, positive) for name in names], predictions, references)


def by_label(task: Task, predictions: Decided | NDArray[Any], references: NDArray[Any]) -> dict[str, Any]:
    """Return `label_scores` and `confusion` of run.json for a labelled split; {} in regression."""
    import numpy as np

    if not isinstance(predictions, Decided):
        return {}
    labels, decided = task.labels, predictions.labels
    scores = {
        score.label: {
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "support": score.support,
            "predicted": score.predicted,
        }
        for score in label_scores(decided, references, labels)
    }
    if decided.ndim == 2 or len(labels) > CONFUSED:
        return {"label_scores": scores}
    counts = np.bincount(references * len(labels) + decided, minlength=len(labels) ** 2)
    return {"label_scores": scores, "confusion": counts.reshape(len(labels), len(labels)).tolist()}


def _computed(
    task: Task, names: tuple[str, ...], predictions: Decided | NDArray[Any], references: NDArray[Any]
) -> dict[str, float]:
    positive = task.positive_index
    return compute_metrics(names, predictions, references, labels=task.labels, positive_label=positive)


def baseline(task: Task, train: NDArray[Any], validation: NDArray[Any]) -> dict[str, float]:
    """Return all these metrics of the prediction that is the same for every validation row.

    It is the most frequent label of the training rows (the first of several), of a multi-label task their most frequent
    set of labels, or in regression the mean of their scores. A correlation with a constant is not defined and counts as
    0, as GLUE defines it for Matthews.

    Args:
        task: its labels and metrics.
        train: the labels of the training rows, (rows,), or (rows, labels) of a multi-label task.
        validation: of the primary split.
    """
    import numpy as np

    predictions = np.full(validation.shape, constant_answer(train), train.dtype)
    return task_metrics(task, predictions, validation) | metrics_beside(task, predictions, validation)


def constant_answer(train: NDArray[Any]) -> NDArray[Any] | np.generic:
    """Return the answer of the baseline; see there."""
    import numpy as np

    if train.ndim == 2:
        sets, counts = np.unique(train, axis=0, return_counts=True)
        most: NDArray[Any] = sets[counts.argmax()]
        return most
    if train.dtype.kind == "f":
        # float64: the sum of many float32 labels is not exact.
        mean: np.generic = train.mean(dtype=np.float64)
        return mean
    label: np.generic = np.bincount(train).argmax()
    return label


def try_foreign_metrics(
    task: Task, train: NDArray[Any], validation: NDArray[Any], tuned_for: str | None = None
) -> None:
    """Compute the baseline if a metric is not glueft's own: one that fails is to do so before the training.

    Args:
        task, train, validation: as for `baseline`.
        tuned_for: the metric that a threshold is to be tuned for; None for none.
    """
    import numpy as np

    known = known_metrics()
    if any(
        is_foreign(known[name])
        for name in (*task.metrics, *other_metrics(task.metrics, len(task.labels), task.multi_label))
    ):
        baseline(task, train, validation)
    if tuned_for is not None and is_foreign(known[tuned_for]):
        undecided, metric = np.full(validation.shape, PLAIN_THRESHOLD), known[tuned_for]
        if task.multi_label:
            tune_thresholds(undecided, validation, metric, task.labels)
        else:
            tune_threshold(undecided, validation, metric(task.labels, task.positive_index))


def majority_accuracy(task: Task, validation: NDArray[Any]) -> float | None:
    """Return the accuracy of the most frequent label, or set of labels, of the validation rows; None in regression."""
    import numpy as np

    if not task.labels:
        return None
    _, counts = np.unique(validation, axis=0, return_counts=True)
    return float(counts.max() / len(validation))
