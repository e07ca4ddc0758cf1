"""The Keras side of `constant`. It imports Keras, so only `Constant.build` imports it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


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
