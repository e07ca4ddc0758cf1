"""Cross-entropy of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class CrossEntropy(glueft.Loss):
    """Cross-entropy of the right label: minus the logarithm of its probability."""

    name = "cross_entropy"

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
        import numpy as np

        wide = logits.astype(np.float64)
        highest = wide.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(wide - highest).sum(axis=1)) + highest[:, 0]
        losses: NDArray[np.float64] = log_sum - wide[np.arange(len(labels)), labels]
        return losses
