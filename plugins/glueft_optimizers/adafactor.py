"""Adafactor: the mean squares of a matrix's gradients kept as one row and one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import OptimizerOptions

if TYPE_CHECKING:
    import keras


class Adafactor(glueft.Optimizer):
    """Steps in proportion to each variable's own size, from a row and a column of mean squared gradients.

    The learning rate is relative: a step changes a variable by about that part of its root mean square. 1e-3 is a usual
    one, where Adam would have 5e-5. Keras's `relative_step` is left out: it changes nothing where the learning
    rate comes from a schedule.

    Source: Shazeer and Stern, 2018, arXiv:1804.04235.
    """

    name = "adafactor"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        beta_2_decay: float = glueft.Field(
            -0.8, ge=-1, lt=0, description="At step t the mean squares keep 1 - t^beta_2_decay of what they were."
        )
        epsilon_1: float = glueft.Field(1e-30, gt=0, description="Added to the squared gradients.")
        epsilon_2: float = glueft.Field(1e-3, gt=0, description="The size that smaller variables are taken to have.")
        clip_threshold: float = glueft.Field(
            1.0, gt=0, description="The root mean square to which longer updates are scaled down."
        )

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Adafactor`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Adafactor(learning_rate, **self.options.model_dump())
