"""The Keras side of `muon`. It imports Keras, so only `Muon.build` imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from glueft_optimizers.keras_layerwise import LayerwiseRates
from glueft_optimizers.keras_optimizers import DenseGradients

# The encoder's head, which AdamW trains; Keras sees to the embeddings and to all that is no matrix.
HEAD = r"(^|/)head/"

# Query, key and value are side by side in the columns of one kernel.
FUSED = ("query_key_value/kernel", "query_key_value/lora_kernel_b")


class Muon(DenseGradients, LayerwiseRates, keras.optimizers.Muon):  # type: ignore[misc]
    """`keras.optimizers.Muon`, with the kernels of query, key and value orthogonalised one by one.

    They are three matrices in the checkpoint and in the model's function; that they lie in one variable here is a
    matter of speed. Muon's author found that one by one works better (kellerjordan.github.io/posts/muon).
    """

    def build(self, variables: Sequence[Any]) -> None:
        """Create the optimizer's own variables; note how many matrices each model variable is."""
        self._matrices = tuple(3 if variable.path.endswith(FUSED) else 1 for variable in variables)
        super().build(variables)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        direction = ops.add(gradient, self.momentum * m) if self.nesterov else ops.convert_to_tensor(m)
        updates = [
            self.lr_adjust(lr * self.zeropower_via_newtonschulz5(part, self.ns_steps))
            for part in ops.split(direction, self._matrices[self._get_variable_index(variable)], axis=1)
        ]
        self.assign_sub(variable, ops.concatenate(updates, axis=1))

    def _weight_decay_of(self, variable: Any) -> float | None:
        decay: float | None = self.adam_weight_decay if self._should_use_adamw(variable) else self.weight_decay
        return decay
