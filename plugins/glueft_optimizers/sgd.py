"""Stochastic gradient descent, with momentum if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

import glueft
from glueft_optimizers.shared_options import ElementwiseOptimizer, OptimizerOptions

if TYPE_CHECKING:
    import keras


class SGD(ElementwiseOptimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant if wanted.

    Source: Sutskever et al., 2013, "On the importance of initialization and momentum in deep learning".
    """

    name = "sgd"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        momentum: float = glueft.Field(0.0, ge=0, lt=1, description="Part of the last step added to the next.")
        nesterov: bool = glueft.Field(False, description="Look ahead along the momentum; needs momentum above 0.")

        @model_validator(mode="after")
        def nesterov_needs_momentum(self) -> SGD.Options:
            """Without momentum the switch would do nothing, silently."""
            if self.nesterov and self.momentum == 0:
                raise ValueError("nesterov = true needs momentum above 0, such as momentum = 0.9")
            return self

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.SGD`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.SGD(learning_rate, **self.options.model_dump())
