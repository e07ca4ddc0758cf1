"""RMSprop: gradients over the root of their mean square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import ElementwiseOptimizer, OptimizerOptions

if TYPE_CHECKING:
    import keras


class RMSprop(ElementwiseOptimizer):
    """The gradient over the root of its running mean square; with momentum, and centred, if wanted.

    Source: Hinton, 2012, "Neural Networks for Machine Learning", lecture 6e.
    """

    name = "rmsprop"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        rho: float = glueft.Field(0.9, ge=0, lt=1, description="Decay of the running mean of the squared gradients.")
        momentum: float = glueft.Field(0.0, ge=0, lt=1, description="Part of the last step added to the next.")
        epsilon: float = glueft.Field(1e-7, gt=0, description="Added to the mean square, against division by zero.")
        centered: bool = glueft.Field(
            False, description="Divide by the variance of the gradients, not the mean square."
        )

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.RMSprop`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.RMSprop(learning_rate, **self.options.model_dump())
