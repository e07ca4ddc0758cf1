"""Low-rank adaptation (Hu et al., 2021, arXiv:2106.09685) by Keras's own `enable_lora`, with alpha / rank = 1."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy

from glueft.errors import CheckpointError

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.tensor_files import FloatArray


def enable_lora(model: Classifier, rank: int, *, seed: int) -> None:
    """Freeze the encoder and adapt the dense kernels that its family names; the head is trained as a whole.

    Each kernel W (inputs, outputs) becomes W + A B with A (inputs, rank) and B (rank, outputs). B starts at zero; A is
    He uniform, Keras's default, from the seed and the kernel's place alone: the same numbers on every backend. Call it
    before the model is compiled.

    Raises:
        CheckpointError: the rank is higher than that of the kernels, or the family names none.
    """
    layers = _adapted(model)
    if not layers:
        raise CheckpointError(
            f"LoRA is not there for encoders of the family {model.family.name}",
            expected="a family that names the layers to adapt",
            received=f"lora_rank = {rank}",
            fix="remove lora_rank to train the encoder itself",
        )
    most = min(min(layer.kernel.shape) for layer in layers.values())
    if rank > most:
        raise CheckpointError(
            "model.lora_rank is higher than the rank of the encoder's own kernels",
            expected=f"a rank of at most {most}, which is the encoder's width",
            received=f"lora_rank = {rank}",
            fix="choose a low rank, such as 8; or remove lora_rank to train the encoder itself",
        )
    # Variable by variable: a layer that is not trainable as a whole would not train what is added to it either.
    for variable in model.encoder.weights:
        variable.trainable = False
    for place, layer in layers.items():
        layer.enable_lora(rank, a_initializer="zeros")
        inputs, _ = layer.lora_kernel_a.shape
        random = numpy.random.default_rng([seed, zlib.crc32(place.encode())])
        limit = numpy.sqrt(6 / inputs)
        layer.lora_kernel_a.assign(random.uniform(-limit, limit, (inputs, rank)).astype(numpy.float32))


def _adapted(model: Classifier) -> dict[str, Any]:
    """The dense layers that the family names, by their place in the encoder."""
    blocks = enumerate(model.encoder.blocks)
    return {f"block_{index}/{name}": getattr(block, name) for index, block in blocks for name in model.family.adapted}


def merged_kernel(layer: Any) -> FloatArray:
    """W + A B of a dense layer, float32; `layer.kernel` is the same, rounded to the compute dtype."""
    kernel, a, b = (numpy.asarray(variable) for variable in (layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b))
    merged: FloatArray = kernel + numpy.float32(layer.lora_alpha / layer.lora_rank) * (a @ b)
    return merged


def merge_lora(model: Classifier) -> bool:
    """Add A B to the kernels, in float32 as the saved model has them, and set B to zero.

    In bfloat16 a forward pass then gives slightly other numbers than before.

    Returns:
        Whether there was anything to merge.
    """
    adapted = [layer for layer in _adapted(model).values() if layer.lora_enabled]
    for layer in adapted:
        layer._kernel.assign(merged_kernel(layer))
        layer.lora_kernel_b.assign(numpy.zeros(layer.lora_kernel_b.shape, numpy.float32))
    return bool(adapted)
