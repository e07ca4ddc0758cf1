"""Low-rank adaptation: the encoder's weights stay, and two small matrices beside each dense kernel are trained.

Source: Hu et al., 2021, arXiv:2106.09685; the layers' own `enable_lora` does the work. Its scale is alpha / rank = 1.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy

from glueft.errors import CheckpointError

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.tensor_files import FloatArray


def enable_lora(model: Classifier, rank: int, *, seed: int) -> None:
    """Freeze the encoder and adapt its dense kernels; the head stays trainable as a whole. Call it before compiling.

    Each kernel W (inputs, outputs) becomes W + A B with A (inputs, rank) and B (rank, outputs). B starts at zero, so
    the model computes what it did before; A is drawn from He's uniform distribution, Keras's default, by the seed and
    the kernel's place in the model alone: the same numbers on every backend.

    Args:
        model: from `load_classifier`.
        rank: of the two matrices.
        seed: of the first ones.

    Raises:
        CheckpointError: the rank is higher than that of the kernels themselves.
    """
    layers = _adapted(model)
    if not layers:
        raise CheckpointError(
            f"model.lora_rank is set, and the family {model.family.name} says of no layer that LoRA adapts it",
            expected="an encoder of another family",
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
    """The dense layers that the family has adapted, by their place in the encoder."""
    blocks = enumerate(model.encoder.blocks)
    return {f"block_{index}/{name}": getattr(block, name) for index, block in blocks for name in model.family.adapted}


def merged_kernel(layer: Any) -> FloatArray:
    """The kernel of a dense layer with what LoRA adds to it, float32 (inputs, outputs).

    `layer.kernel` has the sum as well, but rounded to the compute dtype of the precision policy.
    """
    kernel, a, b = (numpy.asarray(variable) for variable in (layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b))
    merged: FloatArray = kernel + numpy.float32(layer.lora_alpha / layer.lora_rank) * (a @ b)
    return merged


def merge_lora(model: Classifier) -> bool:
    """Put what LoRA has learnt into the kernels themselves, float32, as the saved model has them.

    A forward pass adds the parts up in the compute dtype of the precision policy: in bfloat16 that is not the same.
    The matrices stay, the second of zeros.

    Returns:
        Whether there was anything to merge.
    """
    adapted = [layer for layer in _adapted(model).values() if layer.lora_enabled]
    for layer in adapted:
        layer._kernel.assign(merged_kernel(layer))
        layer.lora_kernel_b.assign(numpy.zeros(layer.lora_kernel_b.shape, numpy.float32))
    return bool(adapted)
