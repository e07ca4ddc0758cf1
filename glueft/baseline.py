"""What a task's metrics give without a model: the bar that a result has to clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glueft.metrics import compute_metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.plugin import Task


def baseline(task: Task, train: NDArray[Any], validation: NDArray[Any]) -> dict[str, float]:
    """Return each of a task's metrics of saying the same of every validation row.

    That is the commonest label of the training rows (the first of several), or in regression the mean of their scores.
    A correlation with a constant is not defined and counts as 0, as GLUE has it for Matthews.

    Args:
        task: its labels and metrics.
        train: the labels of the training rows, (rows,).
        validation: of the split that the run is judged by, (rows,).
    """
    import numpy as np

    said = np.bincount(train).argmax() if task.labels else train.mean()
    return compute_metrics(task.metrics, np.full(len(validation), said, train.dtype), validation)


def majority_accuracy(task: Task, validation: NDArray[Any]) -> float | None:
    """Return the accuracy of always saying the commonest label of the validation rows; None in regression."""
    import numpy as np

    return float(np.bincount(validation).max() / len(validation)) if task.labels else None
