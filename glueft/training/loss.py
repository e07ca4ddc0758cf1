"""The loss of a task: as Keras trains on it, and as its mean over the logits of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class Loss(Protocol):
    """A loss of one number a row, averaged over rows."""

    def build(self) -> keras.losses.Loss:
        """Return it for `Model.compile`."""

    def mean(self, logits: NDArray[np.float32], labels: NDArray[Any]) -> float:
        """Return the mean over rows: logits (rows, labels), or (rows, 1) in regression; labels (rows,)."""


class CrossEntropy:
    """Softmax cross-entropy from logits, for label indices."""

    def build(self) -> keras.losses.Loss:
        import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def mean(self, logits: NDArray[np.float32], labels: NDArray[Any]) -> float:
        import numpy as np

        wide = logits.astype(np.float64)
        highest = wide.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(wide - highest).sum(axis=1)) + highest[:, 0]
        return float(np.mean(log_sum - wide[np.arange(len(labels)), labels]))


class SquaredError:
    """The squared error of the one logit, for scores."""

    def build(self) -> keras.losses.Loss:
        import keras

        return keras.losses.MeanSquaredError()

    def mean(self, logits: NDArray[np.float32], labels: NDArray[Any]) -> float:
        import numpy as np

        return float(np.mean(np.square(logits[:, 0] - labels)))


def loss_of(labels: tuple[str, ...]) -> Loss:
    """Return the loss of a task with these label names; () is a regression."""
    return CrossEntropy() if labels else SquaredError()
