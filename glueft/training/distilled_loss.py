"""The loss of a distillation. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class DistilledLoss(keras.losses.Loss):  # type: ignore[misc]
    """A number for each row: weight * T^2 * KL(teacher || student) + (1 - weight) * its own loss.

    Both distributions are softened by the temperature T, and its square keeps the gradients as large as those of the
    labels: Hinton et al. 2015, arXiv:1503.02531. Scores have the squared error to the teacher's in its place.

    Args:
        own: of the recipe or the task.
        weight: of the teacher's part.
        temperature: None in regression.
    """

    def __init__(self, own: keras.losses.Loss, weight: float, temperature: float | None) -> None:
        super().__init__(name=own.name)
        self.own, self.weight, self.temperature = own, weight, temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return (rows,); `y_true` are the `glueft.data.batches.targets`, `y_pred` the student's logits."""
        labels, weights, teacher = y_true[:, 0], y_true[:, 1], y_true[:, 2:]
        if self.temperature is None:
            part = ops.mean(ops.square(y_pred - teacher), axis=-1)
        else:
            wanted = ops.log_softmax(teacher / self.temperature)
            given = ops.log_softmax(y_pred / self.temperature)
            part = self.temperature**2 * ops.sum(ops.exp(wanted) * (wanted - given), axis=-1)
        return self.weight * part + (1 - self.weight) * weights * self.own.call(labels, y_pred)
