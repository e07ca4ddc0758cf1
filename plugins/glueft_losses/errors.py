"""Errors of predicted scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class MeanSquaredError(glueft.Loss):
    """The squared error of predicted scores."""

    name = "mean_squared_error"
    suits = "scores"

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        import keras

        return keras.losses.MeanSquaredError()

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        squares: NDArray[Any] = np.square(logits[:, 0] - labels)
        return squares
