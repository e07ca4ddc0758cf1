"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.adam import AdamOptions

if TYPE_CHECKING:
    import keras

# Biases and layer norms are not decayed, as in BERT's own training. Keras looks for the pattern in a variable's name:
# the last part of its path ("bias"), but on the TensorFlow backend the name of the tf.Variable inside ("bias:0").
NOT_DECAYED = r"(bias|gamma|beta)(:\d+)?$"


class AdamW(glueft.Optimizer):
    """Adam with decoupled weight decay; none on biases and layer norms.

    Each step first takes `learning_rate * weight_decay * variable` off the variable, then makes Adam's step.
    Source: Loshchilov and Hutter, 2019, arXiv:1711.05101.
    """

    name = "adamw"

    class Options(AdamOptions):
        """Keras's options and defaults."""

        weight_decay: float = glueft.Field(
            0.004, ge=0, description="Part of a weight taken off each step, times the learning rate."
        )

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.AdamW`, not yet built, with its exclusions set."""
        from glueft_optimizers import keras_optimizers

        options = self.options
        optimizer = keras_optimizers.AdamW(
            learning_rate,
            weight_decay=options.weight_decay,
            beta_1=options.beta_1,
            beta_2=options.beta_2,
            epsilon=options.epsilon,
            amsgrad=options.amsgrad,
            **options.clipping(),
        )
        optimizer.exclude_from_weight_decay(var_names=[NOT_DECAYED])
        return optimizer
