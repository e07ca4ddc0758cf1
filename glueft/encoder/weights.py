"""Weights between a classifier's Keras variables and the tensors of a Hugging Face checkpoint, both ways.

One table, made from the names in `family.py`, says for every tensor which part of which variable it is. A Keras dense
kernel is the transpose of PyTorch's, and query, key and value are thirds of one fused kernel.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy

from glueft.encoder.classifier import Classifier
from glueft.encoder.expected_tensors import other_shapes
from glueft.encoder.lora import merged_kernel
from glueft.encoder.tensor_files import without_wrappers

if TYPE_CHECKING:
    from glueft.encoder.tensor_files import FloatArray, StoredTensor


@dataclass(frozen=True)
class Slot:
    """Where a tensor lives in the model.

    Attributes:
        variable: the Keras variable.
        columns: the columns (the last axis) of the variable that the tensor fills; all of them usually.
        transpose: whether the tensor is the transpose of those columns.
        role: "encoder", "pooler", "head" (its dense layer) or "output" (its last layer, a row a label).
        initial: what a new one holds: "normal", "zeros" or "ones".
        old_name: what files of before 2019 call it: gamma and beta for a norm's weight and bias.
        value: gives what the variable stands for, where that is more than it holds: with LoRA's matrices, or with the
            word embeddings that are not trained.
        whole: the variable's shape with what is not trained, where it may hold a part.
    """

    variable: keras.Variable
    columns: slice
    transpose: bool
    role: str
    initial: str
    old_name: str | None = None
    value: Callable[[], FloatArray] | None = None
    whole: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape in the file."""
        *rows, columns = self.whole or self.variable.shape
        shape = (*rows, len(range(*self.columns.indices(columns))))
        return shape[::-1] if self.transpose else shape


def tensor_table(model: Classifier) -> dict[str, Slot]:
    """Every tensor of the model by the name that transformers' class gives it; together they are all its weights.

    LoRA's matrices have no tensor of their own.
    """
    family = model.config.family
    table: dict[str, Slot] = {}

    def dense(module: str, layer: Any, role: str, part: int | None = None) -> None:
        width = layer.units // 3
        columns = slice(None) if part is None else slice(part * width, (part + 1) * width)
        # With LoRA, `kernel` is no variable but a sum.
        kernel, value = (layer._kernel, partial(merged_kernel, layer)) if layer.lora_enabled else (layer.kernel, None)
        table[f"{module}.weight"] = Slot(kernel, columns, True, role, "normal", value=value)
        table[f"{module}.bias"] = Slot(layer.bias, columns, False, role, "zeros")

    def embedding(module: str, layer: Any) -> None:
        value, whole = getattr(layer, "table", None), (layer.input_dim, layer.output_dim)
        table[f"{module}.weight"] = Slot(
            layer.embeddings, slice(None), False, "encoder", "normal", value=value, whole=whole
        )

    def norm(module: str, layer: Any) -> None:
        table[f"{module}.weight"] = Slot(layer.gamma, slice(None), False, "encoder", "ones", f"{module}.gamma")
        table[f"{module}.bias"] = Slot(layer.beta, slice(None), False, "encoder", "zeros", f"{module}.beta")

    modules = {layer: family.prefix + module for layer, module in family.modules.items()}
    embeddings = model.encoder.embeddings
    embedding(modules["word_embeddings"], embeddings.word_embeddings)
    embedding(modules["position_embeddings"], embeddings.position_embeddings)
    if embeddings.token_type_embeddings is not None:
        embedding(modules["token_type_embeddings"], embeddings.token_type_embeddings)
    norm(modules["embeddings_norm"], embeddings.embeddings_norm)
    if embeddings.embeddings_projection is not None:
        dense(modules["embeddings_projection"], embeddings.embeddings_projection, "encoder")
    for index, block in enumerate(model.encoder.blocks):
        group, inner = divmod(index, model.config.blocks_per_group)
        named = {layer: name.format(block=index, group=group, inner=inner) for layer, name in modules.items()}
        for part, layer in enumerate(("query", "key", "value")):
            dense(named[layer], block.query_key_value, "encoder", part)
        dense(named["projection"], block.projection, "encoder")
        norm(named["attention_norm"], block.attention_norm)
        dense(named["intermediate"], block.intermediate, "encoder")
        dense(named["output"], block.output_dense, "encoder")
        norm(named["output_norm"], block.output_norm)
    dense(family.head.dense, model.head.dense, "pooler" if family.head.dense_is_pooler else "head")
    dense(family.head.output, model.head.output_dense, "output")
    return table


def match_names(table: Mapping[str, Slot], stored: Iterable[str], prefix: str) -> dict[str, str]:
    """Find each tensor of the table in a file, whatever variant of its name the file uses.

    Files of the bare encoder leave out the prefix (`bert.`); old ones say gamma and beta for a norm's weight and bias;
    those of a wrapped model have the wrapper's names before or within, see `without_wrappers`.

    Returns:
        The name in the file for each of the table's names that is there.
    """
    stored = without_wrappers(stored)
    found: dict[str, str] = {}
    for name, slot in table.items():
        variants = [name] if slot.old_name is None else [name, slot.old_name]
        variants += [variant.removeprefix(prefix) for variant in variants if variant.startswith(prefix)]
        for variant in variants:
            if variant in stored:
                found[name] = stored[variant]
                break
    return found


def read_weights(
    table: Mapping[str, Slot],
    stored: Mapping[str, StoredTensor],
    found: Mapping[str, str],
    *,
    order: list[int] | None,
    seed: int,
    initializer_range: float,
) -> None:
    """Set every variable of the table, from the file where `found` names a tensor and anew elsewhere.

    Args:
        table: the model's tensors.
        stored: the file's tensors.
        found: the name in the file for each name of the table that is read.
        order: for each label of the model, the row of the file's head; None where no head is read or rows stay.
        seed: of the new tensors.
        initializer_range: standard deviation of the new kernels.

    Raises:
        CheckpointError: tensors have another shape than the config says; all of them are named.
    """
    wrong = {
        f"{found[name]}: {list(stored[found[name]].shape)}, not {list(slot.shape)}": stored[found[name]].path
        for name, slot in table.items()
        if name in found and stored[found[name]].shape != slot.shape
    }
    if wrong:
        raise other_shapes(wrong)
    for variable, slots in by_variable(table):
        array = numpy.empty(variable.shape, dtype=numpy.float32)
        for name, slot in slots.items():
            if name in found:
                tensor = stored[found[name]].read()
                if order is not None and slot.role == "output":
                    tensor = tensor[order]
            else:
                tensor = initial_tensor(name, slot, seed, initializer_range)
            array[..., slot.columns] = tensor.T if slot.transpose else tensor
        variable.assign(array)


def initial_tensor(name: str, slot: Slot, seed: int, initializer_range: float) -> FloatArray:
    """A new tensor as transformers initialises it: kernels normal(0, initializer_range), biases zero, norms one.

    The numbers depend on the seed and the tensor's name alone: the same on every backend, whatever else is new.
    """
    if slot.initial == "normal":
        random = numpy.random.default_rng([seed, zlib.crc32(name.encode())])
        return random.normal(0.0, initializer_range, slot.shape).astype(numpy.float32)
    return numpy.full(slot.shape, 1.0 if slot.initial == "ones" else 0.0, dtype=numpy.float32)


def export_weights(table: Mapping[str, Slot]) -> dict[str, FloatArray]:
    """Every tensor of the model in PyTorch's layout, float32, by transformers' name: copies, all of them at once."""
    tensors = {name: numpy.array(tensor, order="C") for name, tensor in exported_weights(table)}
    return {name: tensors[name] for name in table}


def exported_weights(table: Mapping[str, Slot]) -> Iterator[tuple[str, FloatArray]]:
    """Give each tensor with its name as `export_weights` does, one after the other, for a model that fills the memory.

    A tensor may be a view of the model's own memory: it is to be used before the training goes on.
    """
    for variable, slots in by_variable(table):
        first = next(iter(slots.values()))
        array = first.value() if first.value else numpy.asarray(variable)
        for name, slot in slots.items():
            part = array[..., slot.columns]
            yield name, numpy.ascontiguousarray(part.T if slot.transpose else part, dtype=numpy.float32)


def by_variable(table: Mapping[str, Slot]) -> Iterator[tuple[keras.Variable, dict[str, Slot]]]:
    """Give each variable of the table with the tensors that it is made of: three for a fused kernel, one elsewhere."""
    slots: dict[int, dict[str, Slot]] = {}
    for name, slot in table.items():
        slots.setdefault(id(slot.variable), {})[name] = slot
    for parts in slots.values():
        yield next(iter(parts.values())).variable, parts
