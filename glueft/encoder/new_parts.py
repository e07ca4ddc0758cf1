"""Parts of a checkpoint that a training starts anew: its last layers, and how a new head reads the states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from glueft.encoder.checkpoint_finder import Checkpoint
from glueft.errors import CheckpointError
from glueft.plugin.encoder import CheckpointTensor
from glueft.plugin.registry import known_classes


def reinitialised(tensors: Iterable[CheckpointTensor], layers: int, blocks: int) -> set[str]:
    """Return the names of the tensors of the last `layers` of `blocks` layers, and of the pooler above them.

    Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning" (arXiv 2006.05987): the last layers hold what is of the
    pretraining's own task; few rows train new ones better.
    """
    if not layers:
        return set()
    places = {f"encoder.blocks.{index}" for index in range(blocks - layers, blocks)}
    return {
        tensor.name
        for tensor in tensors
        if tensor.role == "pooler" or ".".join(tensor.variable.split(".")[:3]) in places
    }


def check_reinit(checkpoint: Checkpoint, layers: int, frozen: int) -> None:
    """Check that a checkpoint has the layers that are to start anew, and that none of them stays as it starts.

    Args:
        checkpoint: from `find_checkpoint`.
        layers: how many of the last layers start anew.
        frozen: how many of the first layers are not trained.

    Raises:
        CheckpointError: there are not so many layers, they share their weights, or some of them are frozen.
    """
    if not layers:
        return
    config = checkpoint.encoder_config
    received = f"model.reinit_layers = {layers}"
    if config.shares_layers:
        raise CheckpointError(
            f"{checkpoint.name}: the layers of this encoder share their weights, and none can start anew alone",
            expected="model.reinit_layers = 0",
            received=received,
            fix="remove model.reinit_layers",
        )
    if layers > config.num_layers:
        raise CheckpointError(
            f"model.reinit_layers is more than the layers of {checkpoint.name}",
            expected=f"at most {config.num_layers} layers",
            received=received,
            fix=f"set model.reinit_layers to {config.num_layers} or less; 1 to 3 are usual",
        )
    if layers + frozen > config.num_layers:
        raise CheckpointError(
            "a layer is to start anew and not to be trained",
            expected=f"model.reinit_layers and model.freeze.layers of {config.num_layers} layers together",
            received=f"{received} and model.freeze.layers = {frozen}",
            fix=f"set model.freeze.layers to {config.num_layers - layers}" + " or less" * (layers < config.num_layers),
        )


def with_pooling(checkpoint: Checkpoint, pooling: str | None, *, new_head: bool) -> Checkpoint:
    """Return a checkpoint whose config.json says how its head reads the states, as the saved model's will.

    Args:
        checkpoint: from `find_checkpoint`.
        pooling: "first", "mean" or "max"; None for what its config.json says already.
        new_head: whether a new head is put on it.

    Raises:
        CheckpointError: transformers' class of the family has no such pooling, or the head was trained with another.
    """
    if pooling is None:
        return checkpoint
    family, given = checkpoint.family, f'model.pooling = "{pooling}"'
    if pooling not in family.poolings:
        able = [name for name, other in known_classes("encoder").items() if pooling in other.poolings]
        raise CheckpointError(
            f"{family.architecture} of transformers, which opens the saved model, has no head with this pooling",
            expected=" or ".join(f'"{name}"' for name in family.poolings) or "no model.pooling with this family",
            received=given,
            fix="remove model.pooling"
            + (f", or choose a checkpoint of {', '.join(able)}, which have it" if able else "; no family has it"),
        )
    keys = family.poolings[pooling]
    now = {key: checkpoint.config.get(key, family.defaults.get(key)) for key in keys}
    if now != keys and not new_head:
        raise CheckpointError(
            f"the head of {checkpoint.name} was trained with another pooling",
            expected=" and ".join(f"{key} = {value!r}" for key, value in now.items()),
            received=given,
            fix="set model.new_head = true to start a new head, or remove model.pooling",
        )
    return replace(checkpoint, config={**checkpoint.config, **keys})
