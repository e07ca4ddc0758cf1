"""Nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_optimizers.shared_options import ElementwiseOptimizer, MomentOptions

if TYPE_CHECKING:
    import keras


class Nadam(ElementwiseOptimizer):
    """Adam with Nesterov's momentum.

    Source: Dozat, 2016, "Incorporating Nesterov Momentum into Adam".
    """

    name = "nadam"

    class Options(MomentOptions):
        """Keras's options and defaults."""

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Nadam`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Nadam(learning_rate, **self.options.model_dump())
