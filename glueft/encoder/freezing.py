"""Parts of an encoder that keep the checkpoint's weights while the rest is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.errors import CheckpointError

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier


def freeze(model: Classifier, *, embeddings: bool = False, layers: int = 0) -> None:
    """Keep the weights of parts of the encoder as they are; call it before the model is compiled.

    Dropout stays on in the frozen parts, as it does with `requires_grad_(False)` in PyTorch. The gradient of a layer
    is computed only if it or something below it is trained.

    Args:
        model: from `load_classifier`.
        embeddings: freeze the word, position and token-type embeddings, their layer norm, and the projection to the
            hidden size where there is one.
        layers: freeze this many layers, the first ones above the embeddings.

    Raises:
        CheckpointError: the encoder has fewer layers, or shares one layer's weights among several (ALBERT).
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
