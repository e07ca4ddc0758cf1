"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.adam import AdamOptions
from glueft_optimizers.shared_options import WEIGHT_DECAY, ElementwiseOptimizer

if TYPE_CHECKING:
    import keras


class AdamW(ElementwiseOptimizer):
    """Adam with decoupled weight decay; none on biases and layer norms.

    Each step first takes `learning_rate * weight_decay * variable` off the variable, then makes Adam's step.
    With the `linear` schedule, epsilon = 1e-8 and the same weight_decay it is what transformers' `create_optimizer`
    made for Keras; its own default was a weight decay of 0.

    Source: Loshchilov and Hutter, 2019, arXiv:1711.05101.
    """

    name = "adamw"

    class Options(AdamOptions):
        """Keras's options and defaults."""

        weight_decay: float = glueft.Field(0.004, ge=0, description=WEIGHT_DECAY)

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.AdamW`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.AdamW(learning_rate, **self.options.model_dump())
