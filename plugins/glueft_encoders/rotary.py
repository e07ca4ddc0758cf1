"""What families with rotary positions (Su et al., 2021, arXiv:2104.09864) share: their config, and how they are built.

The layers are in `rotary_layers`, the ONNX graph in `rotary_onnx`. Keys, defaults and names are those of transformers
5.23 (`models/*/configuration_*.py` and `modeling_*.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import glueft
from glueft.encoder.tensors import MOST_LAYERS

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
        num_key_value_heads: several heads may share their keys and values (Ainslie et al., 2023, arXiv:2305.13245).
        head_size: of queries, keys and values; even.
        rms_norm: norms divide by the root of the mean square alone (Zhang and Sennrich, 2019, arXiv:1910.07467).
        pre_norm: whether states are normalised before each layer and at the end, or after each sum.
        embeddings_norm: whether the embeddings are normalised; the first layer of a pre-norm encoder then is not.
        sights: of each layer.
        embedding_dropout: after the embeddings; `attention_dropout`: of the attention weights; `projection_dropout`:
            after the attention's output; `gate_dropout`: between the feed-forward products; `output_dropout`: after
            them.
        pooling: what the head reads: the "first" token's state, the "mean" of all, or "each", to take the mean of the
            logits.
        initializer_cutoff: where a new head's kernels are cut off, in standard deviations.
    """

    num_heads: int
    num_key_value_heads: int
    head_size: int
    intermediate_size: int
    activation: str
    rms_norm: bool = False
    norm_eps: float
    norm_bias: bool
    pre_norm: bool = True
    embeddings_norm: bool = True
    attention_bias: bool = False
    feed_forward_bias: bool = False
    sights: tuple[Sight, ...]
    embedding_dropout: float = 0.0
    attention_dropout: float
    projection_dropout: float = 0.0
    gate_dropout: float = 0.0
    output_dropout: float = 0.0
    pooling: str
    head_activation: str
    head_bias: bool = True
    head_norm: bool = False
    head_dropout: float = 0.0
    initializer_cutoff: float | None = None


def frequencies(theta: float, head_size: int) -> NDArray[np.float32]:
    """Angles from one position to the next, float32 (head_size / 2,), rounded where PyTorch transformers rounds.

    At position 8,191 a difference in the last digit would turn by 5e-4.
    """
    import numpy as np

    exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
    inverse: NDArray[np.float32] = np.float32(1) / np.power(theta, exponents.astype(np.float64)).astype(np.float32)
    return inverse


def read_theta(
    values: glueft.ConfigReader,
    default: Any,
    settings: Mapping[str, Any] | None = None,
    key: str = "rope_parameters",
) -> float:
    """The base of the rotations' frequencies.

    Args:
        values: of config.json.
        default: the base where the settings do not say it.
        settings: of the rotations, in the form of transformers 5; by default, those of the whole encoder, which older
            files have as rope_scaling.
        key: where they stand in config.json.

    Raises:
        CheckpointError: the rotations are scaled in some way.
    """
    if settings is None:
        settings = values.table("rope_scaling") or values.table(key)
    kind = settings.get("rope_type", settings.get("type", "default"))
    rope = glueft.ConfigReader({"rope_theta": default, **settings, "rope_type": kind}, f"{values.where}: {key}")
    rope.refuse("rope_type", kind != "default", 'rotary positions as they are, without scaling ("default")')
    return rope.positive("rope_theta")


class Rotary(glueft.Encoder):
    """A family with rotary positions."""

    adapted: ClassVar[tuple[str, ...]] = ("query_key_value", "projection", "gates", "output_dense")

    def num_layers(self, values: glueft.ConfigReader) -> int:
        layers = values.whole("num_hidden_layers")
        if layers > MOST_LAYERS:  # each has a sight in the config, before the weights say how many there are
            expected = f"at most {MOST_LAYERS:,} layers"
            raise values.inconsistent("num_hidden_layers is larger than any encoder's", expected, f"{layers:,}")
        return layers

    def head_size(self, values: glueft.ConfigReader) -> int:
        hidden, heads = values.whole("hidden_size"), values.whole("num_attention_heads")
        given = values.whole("head_dim") if "head_dim" in values and values["head_dim"] is not None else None
        if hidden % heads or (given or hidden // heads) % 2:
            raise values.inconsistent(
                "the hidden size cannot be shared among the attention heads",
                "a hidden size that is a multiple of the number of heads, and heads of an even size: positions turn "
                "pairs of values",
                f"hidden size {hidden}, {heads} heads" + (f" of size {given}" if given else ""),
            )
        return given or hidden // heads

    def build_encoder(self, config: RotaryConfig, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.rotary_layers import RotaryEncoder

        return RotaryEncoder(config, dropouts, name="encoder")

    def build_head(self, config: RotaryConfig, outputs: int, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.rotary_layers import Head

        return Head(config, outputs, dropouts, name="head")

    def onnx(self, graph: Any, model: Any) -> None:
        from glueft_encoders.rotary_onnx import write_classifier

        write_classifier(graph, model)
