"""The loss of a distillation. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class DistilledLoss(keras.losses.Loss):  # type: ignore[misc]
    """A number for each row: weight * T^2 * KL(teacher || student) + (1 - weight) * its own loss.

    Both distributions are softened by the temperature T, and its square keeps the gradients as large as those of the
    labels: Hinton et al. 2015, arXiv:1503.02531. In its place scores have the squared error to the teacher's, and rows
    with any number of labels the mean over the labels of the binary cross-entropy to the teacher's probability of each.

    Args:
        own: of the recipe or the task.
        weight: of the teacher's part.
        temperature: None in regression.
        multi_label: whether a row has any number of the labels.
    """

    def __init__(
        self, own: keras.losses.Loss, weight: float, temperature: float | None, *, multi_label: bool = False
    ) -> None:
        super().__init__(name=own.name)
        self.own, self.weight, self.temperature, self.multi_label = own, weight, temperature, multi_label

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return (rows,); `y_true` are the `glueft.data.batches.targets`, `y_pred` the student's logits."""
        count = y_pred.shape[-1] if self.multi_label else 1
        labels, weights, teacher = y_true[:, :count], y_true[:, count], y_true[:, count + 1 :]
        labels = labels if self.multi_label else labels[:, 0]
        if self.temperature is None:
            part = ops.mean(ops.square(y_pred - teacher), axis=-1)
        elif self.multi_label:
            wanted = ops.sigmoid(teacher / self.temperature)
            each = ops.binary_crossentropy(wanted, y_pred / self.temperature, from_logits=True)
            part = self.temperature**2 * ops.mean(each, axis=-1)
        else:
            wanted = ops.log_softmax(teacher / self.temperature)
            given = ops.log_softmax(y_pred / self.temperature)
            part = self.temperature**2 * ops.sum(ops.exp(wanted) * (wanted - given), axis=-1)
        return self.weight * part + (1 - self.weight) * weights * self.own.call(labels, y_pred)
