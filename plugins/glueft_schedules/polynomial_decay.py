"""Polynomial decay: the schedule of the Hugging Face course's recipe, a straight line with its default power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_schedules.rates import DecayOptions

if TYPE_CHECKING:
    import keras


class PolynomialDecay(glueft.Schedule):
    """Falls along a polynomial from the first step to the last; with power 1 a straight line.

    At step s of n: `end + (initial - end) * (1 - s / n) ** power`, and `end` afterwards. Keras's own default for `end`
    is 1e-4, above the usual fine-tuning rates; it is 0 here, as in the course.
    """

    name = "polynomial_decay"

    class Options(DecayOptions):
        """Where the rate starts, where it ends, and how it bends between."""

        power: float = glueft.Field(1.0, gt=0, description="Exponent of the decay: 1 is a line, above 1 falls early.")

    def build(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return `keras.optimizers.schedules.PolynomialDecay` over all the steps of the run."""
        import keras

        return keras.optimizers.schedules.PolynomialDecay(
            self.options.initial_learning_rate,
            decay_steps=total_steps,
            end_learning_rate=self.options.end_learning_rate,
            power=self.options.power,
        )
