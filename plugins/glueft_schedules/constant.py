"""One learning rate from the first step to the last, or from the end of the warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_schedules.warmup import WarmupOptions, WarmupSchedule

if TYPE_CHECKING:
    import keras


class Constant(WarmupSchedule):
    """The same learning rate at every step, after a warm-up if wanted.

    At step s with w warm-up steps: `initial * s / w` while s < w, then `initial`.
    """

    name = "constant"

    class Options(WarmupOptions):
        """The rate, and how long it warms up."""

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return a schedule that does not change."""
        from glueft_schedules.keras_schedules import ConstantRate

        return ConstantRate(self.options.initial_learning_rate)
