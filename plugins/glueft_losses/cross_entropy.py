"""Cross-entropy of labels, and the focal loss that is made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft
from glueft_losses.class_weights import ClassWeightedLoss, ClassWeightOptions

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class CrossEntropy(ClassWeightedLoss):
    """Cross-entropy: minus the logarithm of the right label's probability.

    With `label_smoothing` e, the target is 1 - e for the right label and e shared out evenly among all labels. With
    `class_weights` the loss of a batch is the weighted mean. Both are as in PyTorch's `cross_entropy`, which weighs the
    smoothed part by the weights of the labels that it is about.
    """

    name = "cross_entropy"

    class Options(ClassWeightOptions):
        """How sharp the targets are, and how much the rows of each label weigh."""

        label_smoothing: float = glueft.Field(
            0.0, ge=0, lt=1, description="The part of the target that all labels share evenly; 0.1 is usual."
        )

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return Keras's own cross-entropy, or the one with label smoothing."""
        import keras

        if not self.options.label_smoothing:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        from glueft_losses.keras_losses import SmoothedCrossEntropy

        return SmoothedCrossEntropy(self.options.label_smoothing, self._weights(task))

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> Floats:
        import numpy as np

        wide = logits.astype(np.float64)
        log_sums = _log_sums(wide)
        losses: Floats = log_sums - wide[np.arange(len(labels)), labels]
        smoothing = self.options.label_smoothing
        if smoothing:
            weights = np.array(self._weights(task))
            others = (log_sums[:, None] - wide) @ weights / weights[labels]
            losses = (1 - smoothing) * losses + smoothing / len(weights) * others
        return losses

    def _weights(self, task: glueft.Task) -> list[float]:
        return [*(self.label_weights(task) or [1.0] * len(task.labels))]


class Focal(ClassWeightedLoss):
    """Cross-entropy times (1 - p) ** gamma: rows that are predicted well already, with p near 1, count less.

    From Lin et al. 2017 (arXiv 1708.02002), for any number of labels. With gamma 0 it is the cross-entropy.
    """

    name = "focal"

    class Options(ClassWeightOptions):
        """How much less well predicted rows count, and how much the rows of each label weigh."""

        gamma: float = glueft.Field(2.0, ge=0, le=100, description="The power: how much less such rows count.")

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return a loss that Keras does not have: its own takes one-hot labels, and probabilities of logits."""
        from glueft_losses.keras_losses import FocalCrossEntropy

        return FocalCrossEntropy(self.options.gamma, len(task.labels))

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> Floats:
        import numpy as np

        wide = logits.astype(np.float64)
        losses: Floats = _log_sums(wide) - wide[np.arange(len(labels)), labels]
        losses *= (-np.expm1(-losses)) ** self.options.gamma
        return losses


def _log_sums(logits: Floats) -> Floats:
    """Return the logarithm of the sum of each row's exponentials, (rows,)."""
    import numpy as np

    highest = logits.max(axis=1, keepdims=True)
    sums: Floats = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return sums
