"""Learning rates that differ from layer to layer, for every Keras optimizer. It imports Keras."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from keras import ops

import glueft

# The paths of the encoder's variables, such as classifier/encoder/block_3/intermediate/kernel.
BLOCK = re.compile(r"(?:^|/)encoder/block_(\d+)/")
EMBEDDINGS = re.compile(r"(?:^|/)encoder/embeddings/")

# Biases and layer norms are not decayed, as in BERT's own training. Keras looks for the pattern in a variable's name:
# the last part of its path ("bias"), but on the TensorFlow backend the name of the tf.Variable inside ("bias:0").
NOT_DECAYED = r"(bias|gamma|beta)(:\d+)?$"


def rate_factors(paths: Sequence[str], decay: float) -> list[float]:
    """Return what the learning rate of each variable is multiplied by.

    Layer i of n, from 0, gets `decay ** (n - i)`, the embeddings (their norm and projection included) get
    `decay ** (n + 1)`, and all else, the head, gets 1. The idea is the discriminative fine-tuning of Howard and Ruder,
    2018, arXiv:1801.06146; the exponents are those of BEiT (Bao et al., 2021, arXiv:2106.08254) and timm. ELECTRA's own
    code (Clark et al., 2020, arXiv:2003.10555) has one more below the head. Layers that share their weights (ALBERT)
    are one layer.

    Args:
        paths: of the trained variables, as Keras gives them.
        decay: above 0, at most 1.

    Raises:
        TrainingError: no encoder layer is among the variables.
    """
    blocks = [BLOCK.search(path) for path in paths]
    # Layers are frozen from the first on, so the last one is here if any is.
    layers = 1 + max((int(block[1]) for block in blocks if block), default=-1)
    if not layers:
        raise glueft.TrainingError(
            "optimizer.layerwise_decay finds no encoder layer among the variables that are trained",
            expected="a layer of the encoder that is trained",
            received=f"layerwise_decay = {decay}, and none that is",
            fix="remove optimizer.layerwise_decay, or lower model.freeze.layers",
        )
    factors = []
    for path, block in zip(paths, blocks, strict=True):
        below = layers - int(block[1]) if block else layers + 1 if EMBEDDINGS.search(path) else 0
        factors.append(decay**below)
    return factors


class LayerwiseRates:
    """Comes before a Keras optimizer among a class's bases, and makes two things of every one of them.

    The learning rate of each variable is multiplied by its layer's factor, weight decay's included: to an optimizer, a
    layer with half the rate is as if the schedule were half as high, as with the parameter groups of BEiT and timm.
    And weight decay, where there is any, leaves biases and layer norms alone.

    Args:
        layerwise_decay: of `rate_factors`; 1 for the same rate everywhere.
    """

    def __init__(self: Any, *arguments: Any, layerwise_decay: float = 1.0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.layerwise_decay = layerwise_decay
        self.exclude_from_weight_decay(var_names=[NOT_DECAYED])

    def build(self: Any, variables: Sequence[Any]) -> None:
        """Create the optimizer's own variables; note each model variable's factor.

        Raises:
            TrainingError: layer-wise rates are wanted, and no encoder layer is among the variables.
        """
        if self.layerwise_decay != 1:
            self._rate_factors = tuple(rate_factors([variable.path for variable in variables], self.layerwise_decay))
        super().build(variables)  # type: ignore[misc]

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; arguments as Keras gives them."""
        if self.layerwise_decay != 1:
            learning_rate = learning_rate * self._rate_factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]

    def _apply_weight_decay(self: Any, variables: Sequence[Any]) -> None:
        if self.layerwise_decay == 1:
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        for variable in variables:
            decay = self._weight_decay_of(variable)
            if decay and self._use_weight_decay(variable):
                part = self.learning_rate * (decay * self._rate_factors[self._get_variable_index(variable)])
                variable.assign(variable * (1 - ops.cast(part, variable.dtype)))

    def _weight_decay_of(self: Any, variable: Any) -> float | None:
        decay: float | None = self.weight_decay
        return decay

    def get_config(self: Any) -> dict[str, Any]:
        """The constructor's arguments."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return config | {"layerwise_decay": self.layerwise_decay}
