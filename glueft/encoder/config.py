"""What a checkpoint's config.json says of the architecture, in one vocabulary for the whole family.

The keys, their defaults and what each class does with them are those of transformers 5.23
(`models/*/configuration_*.py` and `modeling_*.py`). Importing this module is cheap: it needs no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glueft.encoder.config_defaults import ALIASES, DEFAULTS
from glueft.encoder.family import FAMILIES, Family
from glueft.errors import CheckpointError


@dataclass(frozen=True)
class EncoderConfig:
    """The switches of the one post-norm encoder.

    Attributes:
        family: names and head of the checkpoint's model_type.
        vocab_size: rows of the word embeddings.
        embedding_size: width of the embeddings; a dense layer maps them to `hidden_size` where `project_embeddings`.
        num_layers: how often a block is applied; ALBERT applies each of its groups of blocks several times.
        num_groups, blocks_per_group: ALBERT's sharing; elsewhere `num_layers` groups of one block.
        hidden_dropout: after the embeddings; `attention_dropout`: of the attention weights; `projection_dropout`: after
            the attention's output; `feed_forward_dropout`: after the feed-forward output; `head_dropout`: in the head.
        type_vocab_size: rows of the token-type embeddings; 0 where the family has none (DistilBERT).
        padding_index: the pad id from which RoBERTa counts its positions; None where positions count from 0.
    """

    family: Family
    vocab_size: int
    embedding_size: int
    hidden_size: int
    num_layers: int
    num_groups: int
    blocks_per_group: int
    num_heads: int
    intermediate_size: int
    activation: str
    layer_norm_eps: float
    hidden_dropout: float
    attention_dropout: float
    projection_dropout: float
    feed_forward_dropout: float
    head_dropout: float
    max_position_embeddings: int
    type_vocab_size: int
    padding_index: int | None
    project_embeddings: bool
    initializer_range: float

    @property
    def max_positions(self) -> int:
        """The longest row of tokens that the model can read, special tokens included.

        RoBERTa's positions start at padding_index + 1, so its 514 embeddings serve 512 tokens.
        """
        return self.max_position_embeddings - (0 if self.padding_index is None else self.padding_index + 1)

    @property
    def block_order(self) -> list[int]:
        """Which block is applied at each depth (`int(i / (layers / groups))` in transformers' AlbertTransformer)."""
        order: list[int] = []
        for layer in range(self.num_layers):
            group = int(layer / (self.num_layers / self.num_groups))
            order += [group * self.blocks_per_group + inner for inner in range(self.blocks_per_group)]
        return order


def read_config(config: Mapping[str, Any], where: str = "config.json") -> EncoderConfig:
    """Translate a config.json, already parsed.

    Args:
        config: its keys; one that is left out has transformers' default.
        where: the file's name, for messages.

    Raises:
        CheckpointError: the model_type or a feature is not supported, or a value is of the wrong type or size.
    """
    family = find_family(config, where)
    _refuse_unsupported(config, where)
    model_type = family.model_type
    defaults = DEFAULTS[model_type]
    aliases = ALIASES.get(model_type, {})
    given = {aliases.get(key, key): value for key, value in config.items()}
    values = {key: given.get(key, default) for key, default in defaults.items()}
    if model_type == "distilbert":
        values = {
            **values,
            "hidden_size": values["dim"],
            "num_hidden_layers": values["n_layers"],
            "num_attention_heads": values["n_heads"],
            "intermediate_size": values["hidden_dim"],
            "hidden_act": values["activation"],
            "hidden_dropout_prob": values["dropout"],
            "attention_probs_dropout_prob": values["attention_dropout"],
            "layer_norm_eps": 1e-12,  # DistilBERT's is fixed
        }
    numbers = _Numbers(values, where)
    hidden_size = numbers.whole("hidden_size")
    num_heads = numbers.whole("num_attention_heads")
    if hidden_size % num_heads:
        raise CheckpointError(
            f"{where}: the hidden size cannot be shared among the attention heads",
            expected="a hidden size that is a multiple of the number of heads",
            received=f"hidden size {hidden_size}, {num_heads} heads",
            fix="use the config.json that belongs to these weights",
        )
    hidden_dropout = numbers.rate("hidden_dropout_prob")
    if model_type == "distilbert":
        head_dropout = numbers.rate("seq_classif_dropout")
    elif model_type == "albert":
        head_dropout = numbers.rate("classifier_dropout_prob")
    else:
        head_dropout = hidden_dropout if values["classifier_dropout"] is None else numbers.rate("classifier_dropout")
    positions = numbers.whole("max_position_embeddings")
    padding_index = numbers.whole("pad_token_id", least=0) if family.positions_from_padding else None
    if padding_index is not None and padding_index + 1 >= positions:
        raise CheckpointError(
            f"{where}: no position is left for a token",
            expected="max_position_embeddings well above pad_token_id, from which this family counts its positions",
            received=f"max_position_embeddings {positions:,}, pad_token_id {padding_index:,}",
            fix="use the config.json that belongs to these weights",
        )
    num_layers = numbers.whole("num_hidden_layers")
    embedding_size = numbers.whole("embedding_size") if "embedding_size" in values else hidden_size
    return EncoderConfig(
        family=family,
        vocab_size=numbers.whole("vocab_size"),
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        num_layers=num_layers,
        num_groups=numbers.whole("num_hidden_groups") if model_type == "albert" else num_layers,
        blocks_per_group=numbers.whole("inner_group_num") if model_type == "albert" else 1,
        num_heads=num_heads,
        intermediate_size=numbers.whole("intermediate_size"),
        activation=_activation(values["hidden_act"], where),
        layer_norm_eps=numbers.positive("layer_norm_eps"),
        hidden_dropout=hidden_dropout,
        attention_dropout=numbers.rate("attention_probs_dropout_prob"),
        # DistilBERT drops nothing after its attention, ALBERT nothing after its feed-forward layer.
        projection_dropout=0.0 if model_type == "distilbert" else hidden_dropout,
        feed_forward_dropout=0.0 if model_type == "albert" else hidden_dropout,
        head_dropout=head_dropout,
        max_position_embeddings=positions,
        type_vocab_size=numbers.whole("type_vocab_size") if "type_vocab_size" in values else 0,
        padding_index=padding_index,
        # ALBERT always has the mapping, ELECTRA only between different widths.
        project_embeddings=model_type == "albert" or embedding_size != hidden_size,
        initializer_range=numbers.positive("initializer_range"),
    )


def find_family(config: Mapping[str, Any], where: str = "config.json") -> Family:
    """The family that a config.json's model_type names; CheckpointError if it is not one of ours."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise CheckpointError(
            f"{where}: model_type is not supported",
            expected="one of " + ", ".join(FAMILIES),
            received="no model_type" if model_type is None else repr(model_type),
            fix="choose an encoder of one of these families, such as google-bert/bert-base-uncased",
        )
    return FAMILIES[model_type]


def _refuse_unsupported(config: Mapping[str, Any], where: str) -> None:
    """Refuse what would make the same weights compute something else than this encoder does."""
    remote_code = config.get("auto_map")
    remote_models = isinstance(remote_code, dict) and [key for key in remote_code if key.startswith("AutoModel")]
    refusals = {
        "position_embedding_type": config.get("position_embedding_type") not in (None, "absolute"),
        "is_decoder": bool(config.get("is_decoder")),
        "add_cross_attention": bool(config.get("add_cross_attention")),
        "pruned_heads": bool(config.get("pruned_heads")),
        "quantization_config": bool(config.get("quantization_config")),
        "auto_map": bool(remote_models),
    }
    for key, refused in refusals.items():
        if refused:
            raise CheckpointError(
                f"{where}: {key} asks for an architecture that glueft does not build",
                expected=_SUPPORTED[key],
                received=f"{key} = {config[key]!r}",
                fix="choose another checkpoint; glueft runs no code that comes with one",
            )


_SUPPORTED = {
    "position_embedding_type": 'learned absolute positions ("absolute")',
    "is_decoder": "an encoder (is_decoder = false)",
    "add_cross_attention": "an encoder without cross-attention",
    "pruned_heads": "all attention heads in place",
    "quantization_config": "weights in float32, float16 or bfloat16",
    "auto_map": "an architecture of transformers' own",
}


def _activation(name: Any, where: str) -> str:
    from glueft.encoder.activations import ACTIVATIONS

    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise CheckpointError(
            f"{where}: the activation is not supported",
            expected="one of " + ", ".join(sorted(ACTIVATIONS)),
            received=repr(name),
            fix="choose another checkpoint",
        )
    return name


class _Numbers:
    """Checked numbers of a config.json; bool is not a number here, though Python says so."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values = values
        self.where = where

    def whole(self, key: str, least: int = 1) -> int:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._wrong(key, f"a whole number, {least} or more")
        return value

    def rate(self, key: str) -> float:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise self._wrong(key, "a dropout rate: 0 or more and less than 1")
        return float(value)

    def positive(self, key: str) -> float:
        value = self.values[key]
        # Larger ones than float32 has are no sizes, and whole numbers of JSON may be larger than any float.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e38:
            raise self._wrong(key, "a number above 0")
        return float(value)

    def _wrong(self, key: str, expected: str) -> CheckpointError:
        return CheckpointError(
            f"{self.where}: {key} has a value that cannot be used",
            expected=expected,
            received=f"{key} = {self.values[key]!r}",
            fix="use the config.json that belongs to these weights",
        )
