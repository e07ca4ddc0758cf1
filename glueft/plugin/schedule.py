"""The base class of learning rate schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    import keras


class Schedule(Plugin):
    """How the learning rate changes from the first step to the last."""

    kind = "schedule"

    def build(self, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the schedule for a run of `total_steps` optimizer steps, all epochs counted."""
        raise NotImplementedError

    def warmup_steps(self, total_steps: int) -> int:
        """Return the number of steps before the highest rate, which `glueft plan` shows; 0 by default."""
        return 0
