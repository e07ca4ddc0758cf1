"""Weights between a classifier's Keras variables and the tensors of a Hugging Face checkpoint, both ways.

The family's table says for every tensor which part of which variable it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import keras
import numpy

from glueft.encoder.classifier import Classifier
from glueft.encoder.config import broken_family
from glueft.encoder.lora import merged_kernel
from glueft.encoder.tensors import misshapen, other_shapes
from glueft.encoder.word_embeddings import WordEmbeddings
from glueft.plugin.attribution import attributed
from glueft.plugin.encoder import CheckpointTensor

if TYPE_CHECKING:
    from glueft.encoder.tensor_files import FloatArray, StoredTensor


@dataclass(frozen=True)
class Slot:
    """A tensor, and the variable that holds it.

    Attributes:
        value: gives all that the variable stands for, where it holds only a part: beside LoRA's matrices, or narrowed
            word embeddings.
    """

    tensor: CheckpointTensor
    variable: keras.Variable
    value: Callable[[], FloatArray] | None = None


def tensor_table(model: Classifier) -> dict[str, Slot]:
    """Every tensor of the model by its name in transformers' class; together, all its weights but LoRA's matrices."""
    with attributed(model.family, "tensors"):
        tensors = [*model.family.tensors(model.config, len(model.labels) or 1)]
    return {tensor.name: _slot(model, tensor) for tensor in tensors}


def check_table(model: Classifier, table: Mapping[str, Slot]) -> None:
    """Check that the tensors of a new model are all of its weights.

    Raises:
        PluginError: a weight has no tensor, or its tensors have another shape than it.
    """
    known = {id(slot.variable) for slot in table.values()}
    weights = [*model.encoder.weights, *model.head.weights]
    missing = [variable.path for variable in weights if "float" in str(variable.dtype) and id(variable) not in known]
    if missing:
        raise broken_family(model.family, "`tensors` leaves out weights, which would not be saved", ", ".join(missing))
    for variable, slots in by_variable(table):
        shapes = [slot.tensor.shape[::-1] if slot.tensor.transposed else slot.tensor.shape for slot in slots.values()]
        before = {shape[:-1] for shape in shapes}
        widths = sum(shape[-1] if shape else 0 for shape in shapes)
        if len(before) > 1 or (*before.pop(), widths) != tuple(variable.shape):
            told = ", ".join(f"{name} {list(slot.tensor.shape)}" for name, slot in slots.items())
            message = f"`tensors` gives other shapes than the weight {variable.path} has"
            raise broken_family(model.family, message, f"{told} for a weight of shape {list(variable.shape)}")


def _slot(model: Classifier, tensor: CheckpointTensor) -> Slot:
    *path, name = tensor.variable.split(".")
    layer = model
    try:
        for part in path:
            layer = layer[int(part)] if part.isdigit() else getattr(layer, part)
        getattr(layer, name)
    except (AttributeError, IndexError, TypeError):
        message = f"`tensors` names a variable of {tensor.name} that the model does not have"
        raise broken_family(model.family, message, repr(tensor.variable)) from None
    if name == "kernel" and getattr(layer, "lora_enabled", False):
        # With LoRA, `kernel` is no variable but a sum.
        return Slot(tensor, layer._kernel, partial(merged_kernel, layer))
    return Slot(tensor, getattr(layer, name), layer.table if isinstance(layer, WordEmbeddings) else None)


def read_weights(
    table: Mapping[str, Slot],
    stored: Mapping[str, StoredTensor],
    found: Mapping[str, str],
    *,
    order: list[int] | None,
    seed: int,
    initializer_range: float,
) -> None:
    """Set every variable of the table: from the file where `found` names a tensor, to new values elsewhere.

    Args:
        table: the model's tensors.
        stored: the file's tensors.
        found: the name in the file of each tensor that is read.
        order: for each label of the model, the row of the file's head; None if the rows stay in their order.
        seed: of the new tensors.
        initializer_range: standard deviation of new kernels.

    Raises:
        CheckpointError: tensors have other shapes than the config says; all of them are named.
    """
    wrong = {
        misshapen(table[name].tensor, stored[source]): stored[source].path
        for name, source in found.items()
        if stored[source].shape != table[name].tensor.shape
    }
    if wrong:
        raise other_shapes(wrong)
    for variable, slots in by_variable(table):
        array = numpy.empty(variable.shape, dtype=numpy.float32)
        for name, slot in slots.items():
            if name in found:
                values = stored[found[name]].read()
                if order is not None and slot.tensor.role == "output":
                    values = values[order]
            else:
                values = initial_values(slot.tensor, seed, initializer_range)
            array[..., slot.tensor.columns] = values.T if slot.tensor.transposed else values
        variable.assign(array)


def initial_values(tensor: CheckpointTensor, seed: int, initializer_range: float) -> FloatArray:
    """A new tensor as transformers initialises it: kernels normal, biases zero, norms one.

    The numbers depend on the seed and the tensor's name alone.
    """
    if tensor.initial == "normal":
        random = numpy.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
        deviation = tensor.deviation or initializer_range
        values = random.normal(0.0, deviation, tensor.shape)
        while tensor.cutoff and (far := abs(values) > tensor.cutoff * deviation).any():
            values[far] = random.normal(0.0, deviation, int(far.sum()))
        return values.astype(numpy.float32)
    return numpy.full(tensor.shape, 1.0 if tensor.initial == "ones" else 0.0, dtype=numpy.float32)


def export_weights(table: Mapping[str, Slot]) -> dict[str, FloatArray]:
    """A copy of every tensor of the model in PyTorch's layout, float32, by transformers' name."""
    tensors = {name: numpy.array(values, order="C") for name, values in exported_weights(table)}
    return {name: tensors[name] for name in table}


def exported_weights(table: Mapping[str, Slot]) -> Iterator[tuple[str, FloatArray]]:
    """Give the same tensors one after the other, to save memory.

    A tensor may be a view of the model's memory: use it before the training goes on.
    """
    for variable, slots in by_variable(table):
        first = next(iter(slots.values()))
        array = first.value() if first.value else numpy.asarray(variable)
        for name, slot in slots.items():
            part = array[..., slot.tensor.columns]
            yield name, numpy.ascontiguousarray(part.T if slot.tensor.transposed else part, dtype=numpy.float32)


def by_variable(table: Mapping[str, Slot]) -> Iterator[tuple[keras.Variable, dict[str, Slot]]]:
    """Give each variable of the table with its tensors: three for a fused kernel, one elsewhere."""
    slots: dict[int, dict[str, Slot]] = {}
    for name, slot in table.items():
        slots.setdefault(id(slot.variable), {})[name] = slot
    for parts in slots.values():
        yield next(iter(parts.values())).variable, parts
