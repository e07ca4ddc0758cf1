"""What the schedules share: the highest rate, the warm-up that leads to it, and the rate at which a decay ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import model_validator

import glueft

if TYPE_CHECKING:
    import keras


class WarmupOptions(glueft.Options):
    """The rate, and how long it rises to it: in steps or as a part of the run, or not at all."""

    initial_learning_rate: float = glueft.Field(
        gt=0,
        le=100,
        examples=[5e-5],
        description="The highest learning rate: the first, or that at the end of the warm-up.",
    )
    warmup_steps: int | None = glueft.Field(
        None, ge=0, description="Steps in which the rate rises from 0; or give warmup_ratio."
    )
    warmup_ratio: float | None = glueft.Field(
        None, ge=0, lt=1, description="Part of all steps in which the rate rises from 0; or give warmup_steps."
    )

    @model_validator(mode="after")
    def one_warmup(self) -> WarmupOptions:
        """Two lengths for one warm-up cannot both hold."""
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError("warmup_steps and warmup_ratio cannot be used together; keep one of them")
        return self


class DecayOptions(WarmupOptions):
    """A learning rate that falls from one value to another."""

    end_learning_rate: float = glueft.Field(
        0.0, ge=0, le=100, description="The learning rate that is reached at the end."
    )

    @model_validator(mode="after")
    def falls(self) -> DecayOptions:
        """A rate that rises is nearly always a slip of the exponent."""
        if self.end_learning_rate > self.initial_learning_rate:
            raise ValueError(
                f"end_learning_rate ({self.end_learning_rate}) is above "
                f"initial_learning_rate ({self.initial_learning_rate}); the rate must fall"
            )
        return self


class WarmupSchedule(glueft.Schedule):
    """A schedule that may warm up: a line from 0 to `initial_learning_rate`, and `after_warmup` from there on."""

    def build(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the schedule for a run of `total_steps`.

        Raises:
            TrainingError: the warm-up is longer than the run.
        """
        from glueft_schedules.keras_schedules import WarmUp

        warmup_steps = self.warmup_steps(total_steps)
        # Keras's schedules take no stretch of 0 steps, which is what a run leaves that warms up to its end.
        schedule = self.after_warmup(max(1, total_steps - warmup_steps), warmup_steps)
        return WarmUp(schedule, self.options.initial_learning_rate, warmup_steps) if warmup_steps else schedule

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the rest of the schedule.

        Args:
            steps: what the warm-up leaves of the run. Step 0 is the first one of them.
            warmup_steps: of the warm-up.
        """
        raise NotImplementedError

    def warmup_steps(self, total_steps: int) -> int:
        """Return the warm-up of a run of `total_steps`, in steps; that of a ratio is rounded up, as transformers does.

        Raises:
            TrainingError: the warm-up is longer than the run.
        """
        if self.options.warmup_ratio is not None:
            return math.ceil(total_steps * float(self.options.warmup_ratio))
        steps: int = self.options.warmup_steps or 0
        if steps > total_steps:
            raise glueft.TrainingError(
                "schedule.warmup_steps is longer than the run",
                expected=f"at most {total_steps} warm-up steps, the steps of the whole run",
                received=f"schedule.warmup_steps = {steps}",
                fix="lower schedule.warmup_steps, give schedule.warmup_ratio = 0.1 in its place, or train more epochs",
            )
        return steps
