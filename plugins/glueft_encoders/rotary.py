"""What families with rotary positions (Su et al., 2021, arXiv:2104.09864) share: their config, and how they are built.

The layers are in `rotary_layers`, the ONNX graph in `rotary_onnx`. Keys, defaults and names are those of transformers
5.23 (`models/*/configuration_*.py` and `modeling_*.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import glueft

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sight:
    """How the layers of one kind tell positions apart.

    Attributes:
        theta: base of the rotations' frequencies.
        window: how many tokens to each side a token attends to; None for all of the row.
    """

    theta: float
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class RotaryConfig(glueft.EncoderConfig):
    """The settings of an encoder with rotary positions and gated feed-forward layers, and of its head.

    Attributes:
        head_size: of queries, keys and values; even.
        sights: of each layer.
        embedding_dropout: after the embeddings; `attention_dropout`: of the attention weights; `projection_dropout`:
            after the attention's output; `gate_dropout`: between the feed-forward products.
        pooling: what the head reads: the "first" token's state, or the "mean" of all.
        initializer_cutoff: where a new head's kernels are cut off, in standard deviations.
    """

    num_heads: int
    head_size: int
    intermediate_size: int
    activation: str
    norm_eps: float
    norm_bias: bool
    attention_bias: bool
    feed_forward_bias: bool
    sights: tuple[Sight, ...]
    embedding_dropout: float
    attention_dropout: float
    projection_dropout: float
    gate_dropout: float
    pooling: str
    head_activation: str
    head_bias: bool
    head_dropout: float
    initializer_cutoff: float


def frequencies(theta: float, head_size: int) -> NDArray[np.float32]:
    """Angles from one position to the next, float32 (head_size / 2,), rounded where PyTorch transformers rounds.

    At position 8,191 a difference in the last digit would turn by 5e-4.
    """
    import numpy as np

    exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
    inverse: NDArray[np.float32] = np.float32(1) / np.power(theta, exponents.astype(np.float64)).astype(np.float32)
    return inverse


def read_theta(values: glueft.ConfigReader, settings: Mapping[str, Any], key: str, default: Any) -> float:
    """The base of the rotations' frequencies.

    Args:
        values: of config.json.
        settings: of the rotations, in the form of transformers 5.
        key: where they stand in config.json.
        default: the base where they do not say it.

    Raises:
        CheckpointError: the rotations are scaled in some way.
    """
    kind = settings.get("rope_type", settings.get("type", "default"))
    rope = glueft.ConfigReader({"rope_theta": default, **settings, "rope_type": kind}, f"{values.where}: {key}")
    rope.refuse("rope_type", kind != "default", 'rotary positions as they are, without scaling ("default")')
    return rope.positive("rope_theta")


class Rotary(glueft.Encoder):
    """A family with rotary positions."""

    adapted: ClassVar[tuple[str, ...]] = ("query_key_value", "projection", "gates", "output_dense")

    def head_size(self, values: glueft.ConfigReader) -> int:
        hidden, heads = values.whole("hidden_size"), values.whole("num_attention_heads")
        if hidden % (2 * heads):
            raise values.inconsistent(
                "the hidden size cannot be shared among the attention heads",
                "a hidden size that is an even multiple of the number of heads: positions rotate pairs of values",
                f"hidden size {hidden}, {heads} heads",
            )
        return hidden // heads

    def build_encoder(self, config: RotaryConfig, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.rotary_layers import RotaryEncoder

        return RotaryEncoder(config, dropouts, name="encoder")

    def build_head(self, config: RotaryConfig, outputs: int, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.rotary_layers import Head

        return Head(config, outputs, dropouts, name="head")

    def onnx(self, graph: Any, model: Any) -> None:
        from glueft_encoders.rotary_onnx import write_classifier

        write_classifier(graph, model)
