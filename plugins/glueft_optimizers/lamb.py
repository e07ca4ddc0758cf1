"""LAMB: Adam with steps in proportion to each variable's length, for large batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import MomentOptions

if TYPE_CHECKING:
    import keras


class Lamb(glueft.Optimizer):
    """Adam whose step has, for each variable, the length of the variable itself; for large batches.

    Source: You et al., 2019, arXiv:1904.00962.
    """

    name = "lamb"

    class Options(MomentOptions):
        """Keras's options and defaults."""

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Lamb`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Lamb(learning_rate, **self.options.model_dump())
