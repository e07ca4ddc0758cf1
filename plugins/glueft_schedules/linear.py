"""A straight line down, after a straight line up if warm-up is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_schedules.warmup import DecayOptions, WarmupSchedule

if TYPE_CHECKING:
    import keras


class Linear(WarmupSchedule):
    """Rises through a warm-up, if any, then falls in a straight line to the last step.

    At step s of n with w warm-up steps: `initial * s / w` while s < w, then
    `end + (initial - end) * (n - s) / (n - w)`, and `end` after step n. With `end` 0 these are the values of
    transformers' `get_linear_schedule_with_warmup`, and with any `end` those of its `create_optimizer` for Keras; the
    warm-up steps of a ratio are rounded up, as its Trainer does.
    """

    name = "linear"

    class Options(DecayOptions):
        """Where the rate starts, where it ends, and how long it warms up."""

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return `keras.optimizers.schedules.PolynomialDecay` of power 1, a line."""
        import keras

        return keras.optimizers.schedules.PolynomialDecay(
            self.options.initial_learning_rate, steps, self.options.end_learning_rate
        )
