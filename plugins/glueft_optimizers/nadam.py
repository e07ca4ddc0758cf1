"""Nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import ElementwiseOptimizer, OptimizerOptions

if TYPE_CHECKING:
    import keras


class Nadam(ElementwiseOptimizer):
    """Adam with Nesterov's momentum.

    Source: Dozat, 2016, "Incorporating Nesterov Momentum into Adam".
    """

    name = "nadam"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        beta_1: float = glueft.Field(0.9, ge=0, lt=1, description="Decay of the running mean of the gradients.")
        beta_2: float = glueft.Field(
            0.999, ge=0, lt=1, description="Decay of the running mean of the squared gradients."
        )
        epsilon: float = glueft.Field(1e-7, gt=0, description="Added to the denominator, against division by zero.")

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Nadam`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Nadam(learning_rate, **self.options.model_dump())
