"""A straight line down, after a straight line up if warm-up is wanted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import model_validator

import glueft
from glueft_schedules.rates import DecayOptions

if TYPE_CHECKING:
    import keras


class Linear(glueft.Schedule):
    """Rises through a warm-up, if any, then falls in a straight line to the last step.

    At step s of n with w warm-up steps: `initial * s / w` while s < w, then
    `end + (initial - end) * (n - s) / (n - w)`, and `end` after step n. With `end` 0 these are the values of
    transformers' `get_linear_schedule_with_warmup`; the warm-up steps of a ratio are rounded up, as its Trainer does.
    """

    name = "linear"

    class Options(DecayOptions):
        """Where the rate starts, where it ends, and how long it warms up."""

        warmup_steps: int | None = glueft.Field(
            None, ge=0, description="Steps in which the rate rises from 0; or give warmup_ratio."
        )
        warmup_ratio: float | None = glueft.Field(
            None, ge=0, lt=1, description="Part of all steps in which the rate rises from 0; or give warmup_steps."
        )

        @model_validator(mode="after")
        def one_warmup(self) -> Linear.Options:
            """Two lengths for one warm-up cannot both hold."""
            if self.warmup_steps is not None and self.warmup_ratio is not None:
                raise ValueError("warmup_steps and warmup_ratio cannot be used together; keep one of them")
            return self

    def build(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the schedule for a run of `total_steps`.

        Raises:
            TrainingError: the warm-up is longer than the run.
        """
        from glueft_schedules.keras_linear import LinearWithWarmup

        return LinearWithWarmup(
            self.options.initial_learning_rate,
            total_steps=total_steps,
            warmup_steps=self.warmup_steps(total_steps),
            end_learning_rate=self.options.end_learning_rate,
        )

    def warmup_steps(self, total_steps: int) -> int:
        """The warm-up of a run of `total_steps`, in steps."""
        if self.options.warmup_ratio is not None:
            return math.ceil(total_steps * float(self.options.warmup_ratio))
        steps: int = self.options.warmup_steps or 0
        if steps > total_steps:
            raise glueft.TrainingError(
                "schedule.warmup_steps is longer than the run",
                expected=f"at most {total_steps} warm-up steps, the steps of the whole run",
                received=f"schedule.warmup_steps = {steps}",
                mend="lower schedule.warmup_steps, give schedule.warmup_ratio = 0.1 in its place, or train more epochs",
            )
        return steps
