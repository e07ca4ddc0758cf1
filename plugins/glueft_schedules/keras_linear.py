"""The Keras side of `linear`. It imports Keras, so only `Linear.build` imports it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class LinearWithWarmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that rises from 0 for `warmup_steps`, then falls to `end_learning_rate` at `total_steps`."""

    def __init__(
        self, initial_learning_rate: float, *, total_steps: int, warmup_steps: int, end_learning_rate: float
    ) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.end_learning_rate = end_learning_rate

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step counted from 0, a float32 scalar."""
        step = ops.cast(step, "float32")
        # A division by zero must not happen even in the branch that `where` leaves out.
        rising = self.initial_learning_rate * step / max(1, self.warmup_steps)
        left = ops.maximum(0.0, (self.total_steps - step) / max(1, self.total_steps - self.warmup_steps))
        falling = self.end_learning_rate + (self.initial_learning_rate - self.end_learning_rate) * left
        return ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "end_learning_rate": self.end_learning_rate,
        }
