"""Keras losses of labels that Keras does not have. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy with label smoothing, and with weights of labels as PyTorch's `cross_entropy` has them.

    Of a row with label y and e = `smoothing`: `(1 - e) * -log p[y] + e / labels * sum(w[c] / w[y] * -log p[c])`. Its
    mean weighted by `w[y]` is PyTorch's loss.

    Args:
        smoothing: the part of the target that all labels share.
        weights: of each label.
    """

    def __init__(self, smoothing: float, weights: Sequence[float]) -> None:
        super().__init__()
        self.smoothing, self.weights = smoothing, [*weights]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = ops.cast(y_true, "int32")
        weights = ops.convert_to_tensor(self.weights, y_pred.dtype)
        losses = -ops.log_softmax(y_pred)
        right = ops.sum(losses * ops.one_hot(labels, len(self.weights), dtype=losses.dtype), axis=-1)
        others = ops.sum(losses * weights, axis=-1) / ops.take(weights, labels)
        return (1 - self.smoothing) * right + self.smoothing / len(self.weights) * others


class FocalCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """`(1 - p) ** gamma * -log p`, where p is the probability of the right label."""

    def __init__(self, gamma: float, labels: int) -> None:
        super().__init__()
        self.gamma, self.labels = gamma, labels

    def call(self, y_true: Any, y_pred: Any) -> Any:
        right = ops.one_hot(ops.cast(y_true, "int32"), self.labels, dtype=y_pred.dtype)
        log_probability = ops.sum(ops.log_softmax(y_pred) * right, axis=-1)
        # The power of 0 has no gradient where gamma is below 1.
        missing = ops.maximum(-ops.expm1(log_probability), 1e-7)
        return -ops.power(missing, self.gamma) * log_probability


class WeightedBinaryCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """The mean over labels of `-(w * t * log p + (1 - t) * log(1 - p))`, as PyTorch's `BCEWithLogitsLoss` has it.

    Args:
        weights: w of each label, its `pos_weight`.
        smoothing: e: the targets t are e / 2 and 1 - e / 2.
    """

    def __init__(self, weights: Sequence[float], smoothing: float) -> None:
        super().__init__()
        self.weights, self.smoothing = [*weights], smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = y_true * (1 - self.smoothing) + self.smoothing / 2
        weights = ops.convert_to_tensor(self.weights, y_pred.dtype)
        of_one = ops.softplus(-y_pred)
        return ops.mean(targets * weights * of_one + (1 - targets) * (y_pred + of_one), axis=-1)
