"""One learning rate from the first step to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft

if TYPE_CHECKING:
    import keras


class Constant(glueft.Schedule):
    """The same learning rate at every step."""

    name = "constant"

    class Options(glueft.Options):
        """The rate."""

        initial_learning_rate: float = glueft.Field(
            gt=0, le=100, examples=[5e-5], description="The learning rate of every step."
        )

    def build(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return a schedule that does not change."""
        from glueft_schedules.keras_constant import ConstantRate

        return ConstantRate(self.options.initial_learning_rate)
