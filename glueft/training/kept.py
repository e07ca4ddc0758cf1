"""The best evaluation of a run, whose weights come back at its end. Importing this module does not import Keras."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from glueft.metrics import lower_is_better

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier


class Kept:
    """The best evaluation so far by one metric, the first of equal ones; NaN loses to any number.

    It costs a copy of the trained weights in main memory; frozen ones are not copied.

    Args:
        metric: the primary metric of the task.

    Attributes:
        step: optimizer steps done at that evaluation; 0 before the first.
        epoch: see `ValidationReport`.
        value: of the metric.
        logits: of the primary split, in its order.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.step = 0
        self.epoch: float = 0
        self.value = nan
        self.logits: NDArray[np.float32] | None = None
        self._weights: list[NDArray[Any]] = []

    def offer(
        self, model: Classifier, metrics: Mapping[str, float], *, step: int, epoch: float, logits: NDArray[np.float32]
    ) -> None:
        """Keep an evaluation if it is better than all before; the model has the weights that it measured."""
        import keras
        import numpy as np

        value = metrics[self.metric]
        if self.step and not self._is_better(value):
            return
        self._weights = []  # the old copy goes before the new one is made
        self._weights = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables]
        self.step, self.epoch, self.value, self.logits = step, epoch, value, logits

    def _is_better(self, value: float) -> bool:
        if isnan(value) or isnan(self.value):
            return isnan(self.value) and not isnan(value)
        return value < self.value if lower_is_better(self.metric) else value > self.value

    def put_back(self, model: Classifier) -> None:
        """Give the model the weights that are kept, and forget the copy; the logits stay."""
        for variable, weights in zip(model.trainable_variables, self._weights, strict=True):
            variable.assign(weights)
        self._weights = []

    def state(self) -> dict[str, Any]:
        """Return all of it, for `restore`; arrays are not copied, and are not changed later."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "value": self.value,
            "logits": self.logits,
            "weights": [*self._weights],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` returned."""
        self.step, self.epoch, self.value = state["step"], state["epoch"], state["value"]
        self.logits, self._weights = state["logits"], [*state["weights"]]
