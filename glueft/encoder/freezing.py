"""Freezing of embeddings and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.errors import CheckpointError

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier


def freeze(model: Classifier, *, embeddings: bool = False, layers: int = 0) -> None:
    """Keep parts of the encoder untrained; call it before the model is compiled.

    Dropout stays on in them, as with `requires_grad_(False)` in PyTorch.

    Args:
        model: from `load_classifier`.
        embeddings: freeze all that comes before the first layer.
        layers: how many of the first layers to freeze.

    Raises:
        CheckpointError: the encoder has fewer layers, or layers that share their weights (ALBERT).
    """
    config = model.config
    if layers > config.num_layers:
        raise CheckpointError(
            "model.freeze names more layers than the encoder has",
            expected=f"at most {config.num_layers} layers",
            received=f"layers = {layers}",
            fix=f"set model.freeze.layers to {config.num_layers} or less",
        )
    if layers and config.shares_layers:
        raise CheckpointError(
            "model.freeze names layers of an encoder whose layers share their weights",
            expected="layers = 0",
            received=f"layers = {layers}; {config.num_layers} layers have {len(model.encoder.blocks)} sets of weights",
            fix="remove layers from model.freeze, or set model.lora_rank to train less",
        )
    if embeddings:
        model.encoder.embeddings.trainable = False
    for block in model.encoder.blocks[:layers]:
        block.trainable = False
