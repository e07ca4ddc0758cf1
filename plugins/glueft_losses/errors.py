"""Errors of predicted scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class MeanSquaredError(glueft.Loss):
    """The squared error of predicted scores: a large error counts most."""

    name = "mean_squared_error"
    suits = "scores"

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return `keras.losses.MeanSquaredError`."""
        import keras

        return keras.losses.MeanSquaredError()

    def values(self, task: glueft.Task, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        squares: NDArray[Any] = np.square(logits[:, 0] - labels)
        return squares


class MeanAbsoluteError(glueft.Loss):
    """The absolute error of predicted scores: outliers among the labels count less than with squares."""

    name = "mean_absolute_error"
    suits = "scores"

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return `keras.losses.MeanAbsoluteError`."""
        import keras

        return keras.losses.MeanAbsoluteError()


class Huber(glueft.Loss):
    """Half the squared error of predicted scores up to `delta`, beyond it a line: between squares and absolute errors.

    Of an error x: `x ** 2 / 2` where |x| <= delta, else `delta * (|x| - delta / 2)`.
    """

    name = "huber"
    suits = "scores"

    class Options(glueft.Options):
        """Where the line begins."""

        delta: float = glueft.Field(1.0, gt=0, le=1e6, description="The error from which on the loss is a line.")

    def build(self, task: glueft.Task) -> keras.losses.Loss:
        """Return `keras.losses.Huber`."""
        import keras

        return keras.losses.Huber(self.options.delta)
