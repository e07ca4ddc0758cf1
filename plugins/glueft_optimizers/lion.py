"""Lion: the sign of a mixture of gradient and momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import ElementwiseOptimizer, OptimizerOptions

if TYPE_CHECKING:
    import keras


class Lion(ElementwiseOptimizer):
    """The sign of the momentum: every weight moves by the same length; half of Adam's memory.

    Its steps are longer than Adam's: a learning rate 3 to 10 times smaller and a weight decay as much larger are usual.

    Source: Chen et al., 2023, arXiv:2302.06675.
    """

    name = "lion"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        beta_1: float = glueft.Field(
            0.9, gt=0, lt=1, description="Part of the momentum in a step; the gradient's is the rest."
        )
        beta_2: float = glueft.Field(
            0.99, ge=0, lt=1, description="Decay of the momentum, a running mean of the gradients."
        )

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Lion`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Lion(learning_rate, **self.options.model_dump())
