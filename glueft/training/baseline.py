"""What a task's metrics give without a model: the bar that a result has to clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glueft.metrics import compute_metrics, other_metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.plugin.task import Task


def baseline(task: Task, train: NDArray[Any], validation: NDArray[Any]) -> dict[str, float]:
    """Return each of a task's metrics, and of the others that are shown, of saying the same of every validation row.

    That is the commonest label of the training rows (the first of several), or in regression the mean of their scores.
    A correlation with a constant is not defined and counts as 0, as GLUE has it for Matthews.

    Args:
        task: its labels and metrics.
        train: the labels of the training rows, (rows,).
        validation: of the split that the run is judged by, (rows,).
    """
    import numpy as np

    # float64: the sum of many float32 labels is not exact.
    said = np.bincount(train).argmax() if task.labels else train.mean(dtype=np.float64)
    names = (*task.metrics, *other_metrics(task.metrics, len(task.labels)))
    answers = np.full(len(validation), said, train.dtype)
    return compute_metrics(names, answers, validation, labels=task.labels, positive_label=task.positive_index)


def majority_accuracy(task: Task, validation: NDArray[Any]) -> float | None:
    """Return the accuracy of always saying the commonest label of the validation rows; None in regression."""
    import numpy as np

    return float(np.bincount(validation).max() / len(validation)) if task.labels else None
