"""A family of encoders: all checkpoints of one model_type. This kind of plugin is provisional: it may still change.

A family says how its config.json is read, which tensors its checkpoints have, and how its layers and its ONNX graph are
built. Importing this module, or that of a family, imports neither Keras nor a backend.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from glueft.errors import CheckpointError
from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

WRONG_CONFIG = "use the config.json that belongs to these weights"


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """What glueft needs to know of every encoder. A family derives its own class from it and adds the rest.

    Attributes:
        vocab_size: rows of the word embeddings.
        hidden_size: size of the states that the encoder returns.
        num_layers: how many layers are applied, one after the other.
        max_positions: the longest row that the encoder reads, in tokens, special tokens included.
        type_vocab_size: number of token types; 0 where the family has none.
        padding_index: the id that the padding token must have, where the encoder depends on it; else None.
        initializer_range: standard deviation of new kernels.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    max_positions: int
    type_vocab_size: int = 0
    padding_index: int | None = None
    initializer_range: float = 0.02

    @property
    def shares_layers(self) -> bool:
        """Whether several layers have the same weights; then no layer can be frozen alone."""
        return False


class ConfigReader:
    """The values of a config.json, checked one by one; a key that is left out has the family's default.

    Every method raises CheckpointError, which names the file and the key, if the value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def whole(self, key: str, least: int = 1) -> int:
        """A whole number of at least `least`."""
        value = self.values[key]
        # In Python, bool is a subclass of int.
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._unusable(key, f"a whole number, {least} or more")
        return value

    def rate(self, key: str) -> float:
        """A dropout rate."""
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise self._unusable(key, "a dropout rate: 0 or more and less than 1")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.values[key]
        if not isinstance(value, bool):
            raise self._unusable(key, "true or false")
        return value

    def table(self, key: str) -> Mapping[str, Any]:
        """A table of more keys; an empty one for null."""
        value = self.values[key]
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._unusable(key, "a table, or null")
        return value

    def positive(self, key: str) -> float:
        """A number above 0 that float32 can hold; whole numbers of JSON may be larger than any float."""
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e38:
            raise self._unusable(key, "a number above 0")
        return float(value)

    def text(self, key: str) -> str:
        """A text."""
        value = self.values[key]
        if not isinstance(value, str):
            raise self._unusable(key, "a text")
        return value

    def choice(self, key: str, names: Collection[str], what: str) -> str:
        """One of some names; `what` says in the message what they are: "activation"."""
        value = self.values[key]
        if not isinstance(value, str) or value not in names:
            raise CheckpointError(
                f"{self.where}: the {what} is not supported",
                expected="one of " + ", ".join(sorted(names)),
                received=repr(value),
                fix="choose another checkpoint",
            )
        return value

    def refuse(self, key: str, refused: Any, expected: str) -> None:
        """Refuse the checkpoint if `refused`: with this value its weights would compute something else."""
        if refused:
            raise CheckpointError(
                f"{self.where}: {key} asks for an architecture that glueft does not build",
                expected=expected,
                received=f"{key} = {self.values[key]!r}",
                fix="choose another checkpoint; glueft runs no code that comes with one",
            )

    def inconsistent(self, message: str, expected: str, received: str) -> CheckpointError:
        """The error for values that contradict each other."""
        return CheckpointError(f"{self.where}: {message}", expected=expected, received=received, fix=WRONG_CONFIG)

    def _unusable(self, key: str, expected: str) -> CheckpointError:
        received = f"{key} = {self.values[key]!r}"
        return self.inconsistent(f"{key} has a value that cannot be used", expected, received)


@dataclass(frozen=True)
class CheckpointTensor:
    """One tensor of a checkpoint, and the variable of the classifier that holds it.

    Attributes:
        name: as transformers' class with the classification head has it.
        variable: attributes and indices that lead from the classifier to the variable:
            "encoder.blocks.0.projection.kernel".
        shape: of the tensor in the file.
        role: "encoder"; "pooler", of the encoder, but new where a checkpoint has none; "head"; or "output", the last
            layer, with a row for each label.
        initial: what a new one holds: "normal", "zeros" or "ones".
        deviation: standard deviation of a new one that is "normal", where it is not the config's initializer_range.
        cutoff: how many standard deviations from 0 such a new one is cut off; None for nowhere.
        transposed: whether the variable is the transpose of the tensor: Keras's dense kernels are.
        part: which part of the variable's last axis the tensor is, where several tensors share one variable; None if
            it is all of it.
        old_name: another name that a file may have for it.
    """

    name: str
    variable: str
    shape: tuple[int, ...]
    role: str = "encoder"
    initial: str = "normal"
    transposed: bool = False
    part: int | None = None
    old_name: str | None = None
    deviation: float | None = None
    cutoff: float | None = None

    @property
    def columns(self) -> slice:
        """The part of the variable's last axis that the tensor fills."""
        if self.part is None:
            return slice(None)
        width = self.shape[0] if self.transposed else self.shape[-1]
        return slice(self.part * width, (self.part + 1) * width)

    @classmethod
    def dense(
        cls,
        name: str,
        layer: str,
        outputs: int,
        inputs: int,
        *,
        bias: bool = True,
        role: str = "encoder",
        part: int | None = None,
        deviation: float | None = None,
        cutoff: float | None = None,
    ) -> Iterator[CheckpointTensor]:
        """The weight, (outputs, inputs), and the bias of a dense layer."""
        yield cls(
            f"{name}.weight",
            f"{layer}.kernel",
            (outputs, inputs),
            role,
            transposed=True,
            part=part,
            deviation=deviation,
            cutoff=cutoff,
        )
        if bias:
            yield cls(f"{name}.bias", f"{layer}.bias", (outputs,), role, "zeros", part=part)

    @classmethod
    def embedding(cls, name: str, layer: str, rows: int, size: int) -> Iterator[CheckpointTensor]:
        """The table of an embedding layer."""
        yield cls(f"{name}.weight", f"{layer}.embeddings", (rows, size))

    @classmethod
    def norm(
        cls, name: str, layer: str, size: int, *, bias: bool = True, role: str = "encoder"
    ) -> Iterator[CheckpointTensor]:
        """The scale and the shift of a norm; files of before 2019 call them gamma and beta."""
        yield cls(f"{name}.weight", f"{layer}.gamma", (size,), role, "ones", old_name=f"{name}.gamma")
        if bias:
            yield cls(f"{name}.bias", f"{layer}.beta", (size,), role, "zeros", old_name=f"{name}.beta")


class Encoder(Plugin):
    """A family of encoders. Its `name` is the model_type of config.json.

    Attributes:
        architecture: transformers' class with the classification head, as config.json names it.
        prefix: of the encoder's tensors in that class; files of the bare encoder leave it out.
        defaults: the keys of config.json that the family reads, and their values where a file leaves them out.
        aliases: other spellings of those keys.
        adapted: the dense layers of a block that LoRA adapts, by attribute.
        poolings: how transformers' class with the head can read the states: "first" (of the first token), "mean" or
            "max", each with the keys of config.json that say so. A new head may have any of them.
        float16_fault: why its layers cannot compute in float16; None where they can.
        relatives: model_types of other encoders to which this is the nearest: an error about one of them names it.
        own_code: modules of code that checkpoints of the family name in `auto_map`, if transformers has taken it over:
            what they compute is what the family does. The code itself is never run.
    """

    kind: ClassVar[str] = "encoder"
    architecture: ClassVar[str]
    prefix: ClassVar[str] = ""
    defaults: ClassVar[Mapping[str, Any]]
    aliases: ClassVar[Mapping[str, str]] = {}
    adapted: ClassVar[tuple[str, ...]] = ()
    poolings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    float16_fault: ClassVar[str | None] = None
    relatives: ClassVar[tuple[str, ...]] = ()
    own_code: ClassVar[tuple[str, ...]] = ()

    def read_config(self, values: ConfigReader) -> EncoderConfig:
        """Read config.json, and refuse what the family's layers do not compute.

        Raises:
            CheckpointError: a value cannot be used; the methods of `values` raise it.
        """
        raise NotImplementedError

    def tensors(self, config: Any, outputs: int) -> Iterator[CheckpointTensor]:
        """Give every tensor of a classifier with `outputs` outputs, those of the encoder first, in the file's order.

        Checkpoints are read and written by this one table.
        """
        raise NotImplementedError

    def build_encoder(self, config: Any, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        """Make the encoder, a Keras layer with the name "encoder". Its weights are zeros until a checkpoint is loaded.

        Its `call(input_ids, attention_mask, token_type_ids, training=False, first_token=False)` maps (batch, length) to
        states (batch, length, hidden_size); with `first_token`, the states of the first token, (batch, 1, hidden_size),
        are enough. Its `build()` creates every variable. It has `embeddings`, a layer of this name, with
        `word_embeddings`, a `glueft.encoder.word_embeddings.WordEmbeddings`; and `blocks`, a list of layers with the
        names "block_0", "block_1", ...

        Args:
            config: from `read_config`.
            dropouts: makes a dropout layer of a rate; None for the rate 0.
        """
        raise NotImplementedError

    def build_head(self, config: Any, outputs: int, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        """Make the classification head, a Keras layer with the name "head".

        Its `call(states, attention_mask, training=False)` maps the encoder's states to float32 logits (batch, outputs).
        Its attribute `first_token` says whether it reads the state of the first token alone. Its `build()` creates
        every variable.
        """
        raise NotImplementedError

    def onnx(self, graph: Any, model: Any) -> None:
        """Write the graph of a classifier, from the inputs in `graph.inputs` to an output called "logits".

        A family without this method cannot be exported to ONNX.

        Args:
            graph: a `glueft.export.onnx_graph.Graph`.
            model: the `glueft.encoder.classifier.Classifier`, in float32.
        """
        raise NotImplementedError


def encoder_breach(family: type[Encoder] | Encoder) -> str | None:
    """How a family breaks the contract besides what holds for every kind; None if it keeps it."""
    cls = family if isinstance(family, type) else type(family)
    if not isinstance(getattr(cls, "architecture", None), str):
        return f"class {cls.__name__} needs `architecture`, the class that config.json names in `architectures`"
    if not isinstance(getattr(cls, "defaults", None), Mapping):
        return f"class {cls.__name__} needs `defaults`, the keys of config.json that it reads and their defaults"
    return None
