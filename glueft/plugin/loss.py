"""The base class of losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from glueft.plugin.base import Plugin
from glueft.plugin.suits import Suits, suits_breach

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.plugin.task import Task


class Loss(Plugin):
    """What a training makes small: a number for each row, whose mean over the rows of a batch glueft takes.

    Attributes:
        suits: "labels" for tasks with one label a row, "multi_label" for those with any number, "scores" for
            regression; or a tuple of them.
    """

    kind = "loss"
    suits: ClassVar[Suits] = "labels"

    def check(self, task: Task) -> None:
        """Refuse a task that does not fit the options.

        Called while the recipe is checked, and again once the rows are read: a task may learn its labels from them, and
        until then has none.

        Raises:
            GlueftError: the loss cannot be used with this task.
        """

    def build(self, task: Task) -> keras.losses.Loss:
        """Return the loss of each row, as its `call(y_true, y_pred)`.

        `y_true` is float32, (rows,): the indices of the labels, or in regression the scores; of a multi-label task 0
        and 1 for each label, (rows, labels). `y_pred` are the logits, float32 (rows, labels), or in regression the
        predicted scores, (rows, 1). `call` returns one number a row, (rows,), which depends on no other row; the
        `reduction` is not used. Batches may hold rows that fill them up; they weigh nothing.

        Args:
            task: its rows are read: `labels`, `label_counts` and `train_rows` are known.
        """
        raise NotImplementedError

    def label_weights(self, task: Task) -> Sequence[float] | None:
        """Return how much a row of each label weighs, above 0, in the order of `task.labels`; None for all the same.

        The loss of a batch is then the weighted mean: the sum of weight times loss, divided by the sum of the weights,
        as PyTorch takes it. None in a multi-label task, whose rows have no label of their own.
        """
        return None

    def values(self, task: Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
        """Return the loss of each row of an evaluated split, (rows,), for the validation loss.

        If not overridden, it is that of `build`, on the backend.

        Args:
            task: as for `build`.
            logits: (rows, labels), or in regression (rows, 1).
            labels: int32 (rows,), of a multi-label task (rows, labels); or in regression float32.
        """
        from keras import ops

        labels, logits = (ops.convert_to_tensor(array, "float32") for array in (labels, logits))
        values: NDArray[Any] = ops.convert_to_numpy(self.build(task).call(labels, logits))
        return values


def loss_breach(loss: type[Loss] | Loss) -> str | None:
    """How a loss's class breaks the contract beyond that of every plugin; None if it keeps it."""
    cls = loss if isinstance(loss, type) else type(loss)
    return suits_breach(f"class {cls.__name__}", loss.suits)
