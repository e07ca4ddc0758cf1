"""Polynomial decay: the schedule of the Hugging Face course's recipe, a straight line with its default power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_schedules.warmup import DecayOptions, WarmupSchedule

if TYPE_CHECKING:
    import keras


class PolynomialDecay(WarmupSchedule):
    """Falls along a polynomial from the first step to the last; with power 1 a straight line.

    At step s of n with w warm-up steps: `initial * s / w` while s < w, then
    `end + (initial - end) * (1 - (s - w) / (n - w)) ** power`, and `end` after step n. Keras's own default for `end`
    is 1e-4, above the usual fine-tuning rates; it is 0 here, as in the course.
    """

    name = "polynomial_decay"

    class Options(DecayOptions):
        """Where the rate starts, where it ends, how it bends between, and how long it warms up."""

        power: float = glueft.Field(1.0, gt=0, description="Exponent of the decay: 1 is a line, above 1 falls early.")

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return `keras.optimizers.schedules.PolynomialDecay`."""
        import keras

        options = self.options
        return keras.optimizers.schedules.PolynomialDecay(
            options.initial_learning_rate, steps, options.end_learning_rate, power=options.power
        )
