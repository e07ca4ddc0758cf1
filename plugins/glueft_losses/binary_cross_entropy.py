"""Binary cross-entropy of each label of a multi-label task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import glueft
from glueft_losses.class_weights import Weight, refuse_unknown

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class BinaryCrossEntropy(glueft.Loss):
    """Mean over a row's labels of the binary cross-entropy of each, for multi-label tasks.

    As PyTorch's `BCEWithLogitsLoss`, whose `pos_weight` is `positive_weights`: where a row has a label of weight w, the
    loss of that label is w times as large. With `label_smoothing` e the targets are e / 2 and 1 - e / 2 for 0 and 1.
    """

    name = "binary_cross_entropy"
    suits = "multi_label"

    class Options(glueft.Options):
        """How much a label that a row has weighs beside one that it does not have, and how sharp the targets are."""

        positive_weights: Literal["balanced"] | dict[str, Weight] | None = glueft.Field(
            None,
            description="For labels by name, how much more the rows weigh that have the label than those that do not; "
            '1 for labels that are not named. "balanced": rows without the label / rows with it.',
            examples=["balanced", {"spam": 5.0}],
        )
        label_smoothing: float = glueft.Field(
            0.0, ge=0, lt=1, description="How far targets are from 0 and 1, twice; 0.1 is usual."
        )

    def check(self, task: glueft.Task) -> None:
        if isinstance(self.options.positive_weights, dict):
            refuse_unknown("positive_weights", self.options.positive_weights, task)

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return a loss that Keras does not have: its own has no weights of positive targets."""
        from glueft_losses.keras_losses import WeightedBinaryCrossEntropy

        return WeightedBinaryCrossEntropy(self._weights(task), self.options.label_smoothing)

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        smoothing, wide = self.options.label_smoothing, logits.astype(np.float64)
        targets = labels * (1 - smoothing) + smoothing / 2
        # The cross-entropy of a target of 1 is log(1 + exp(-x)), that of 0 is x more.
        of_one = np.logaddexp(0, -wide)
        losses = targets * np.array(self._weights(task)) * of_one + (1 - targets) * (wide + of_one)
        means: NDArray[Any] = losses.mean(axis=1)
        return means

    def _weights(self, task: glueft.Task) -> Sequence[float]:
        named = self.options.positive_weights
        if named is None or isinstance(named, dict):
            return [float((named or {}).get(label, 1.0)) for label in task.labels]
        # A label that no row has, or each, has nothing to be balanced against.
        without = [task.train_rows - count for count in task.label_counts]
        pairs = zip(without, task.label_counts, strict=True)
        return [others / count if count and others else 1.0 for others, count in pairs]
