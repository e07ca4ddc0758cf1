"""The schedules that Keras does not have. It imports Keras, so only the schedules' `build` imports it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

registered = keras.saving.register_keras_serializable("glueft")


@registered
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A straight line from 0 to `peak` in `steps` steps, then another schedule from its own step 0."""

    def __init__(self, then: keras.optimizers.schedules.LearningRateSchedule, peak: float, steps: int) -> None:
        super().__init__()
        self.then = then
        self.peak = peak
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step counted from 0, a float32 scalar."""
        step = ops.cast(step, "float32")
        # Both branches are computed, so neither may be handed a step that it has no value for.
        after = self.then(ops.maximum(step - self.steps, 0.0))
        return ops.where(step < self.steps, self.peak * step / self.steps, after)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"then": keras.optimizers.schedules.serialize(self.then), "peak": self.peak, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """Build the schedule from what `get_config` returned."""
        return cls(**config | {"then": keras.optimizers.schedules.deserialize(config["then"])})


@registered
class ConstantRate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The same learning rate at every step."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate

    def __call__(self, step: Any) -> Any:
        """Return the learning rate, a float32 scalar, whatever the step."""
        return ops.convert_to_tensor(self.learning_rate, "float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"learning_rate": self.learning_rate}


@registered
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """`initial_learning_rate * sqrt(timescale / (timescale + step))`."""

    def __init__(self, initial_learning_rate: float, timescale: int) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.timescale = timescale

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step counted from 0, a float32 scalar."""
        step = ops.cast(step, "float32")
        return self.initial_learning_rate * ops.sqrt(self.timescale / (self.timescale + step))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"initial_learning_rate": self.initial_learning_rate, "timescale": self.timescale}
