"""What the BERT family shares: absolute positions, and blocks that normalise after each sum (Vaswani et al., 2017).

Config and tensor names are here; the layers are in `post_norm_layers`, the ONNX graph in `post_norm_onnx`. Keys,
defaults and names are those of transformers 5.23 (`models/*/configuration_*.py` and `modeling_*.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft.encoder.activations import ACTIVATIONS

if TYPE_CHECKING:
    import keras

BERT_DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "classifier_dropout": None,
}

# Layer -> module of transformers' class, without the prefix. {block} counts the blocks.
BERT_MODULES = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "token_type_embeddings": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "query": "encoder.layer.{block}.attention.self.query",
    "key": "encoder.layer.{block}.attention.self.key",
    "value": "encoder.layer.{block}.attention.self.value",
    "projection": "encoder.layer.{block}.attention.output.dense",
    "attention_norm": "encoder.layer.{block}.attention.output.LayerNorm",
    "intermediate": "encoder.layer.{block}.intermediate.dense",
    "output": "encoder.layer.{block}.output.dense",
    "output_norm": "encoder.layer.{block}.output.LayerNorm",
}


@dataclass(frozen=True, kw_only=True)
class PostNormConfig(glueft.EncoderConfig):
    """The settings of a post-norm encoder and its head.

    Attributes:
        embedding_size: size of the embeddings; a dense layer maps them to `hidden_size` where `project_embeddings`.
        num_groups, blocks_per_group: ALBERT's sharing; elsewhere `num_layers` groups of one block.
        hidden_dropout: after the embeddings; `attention_dropout`: of the attention weights; `projection_dropout`: after
            the attention's output; `feed_forward_dropout`: after the feed-forward output; `head_dropout`: in the head.
    """

    embedding_size: int
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
    project_embeddings: bool

    @property
    def block_order(self) -> list[int]:
        """Which block is applied at each depth (`int(i / (layers / groups))` in transformers' AlbertTransformer)."""
        order: list[int] = []
        for layer in range(self.num_layers):
            group = int(layer / (self.num_layers / self.num_groups))
            order += [group * self.blocks_per_group + inner for inner in range(self.blocks_per_group)]
        return order

    @property
    def shares_layers(self) -> bool:
        return self.block_order != list(range(self.num_layers))


class PostNorm(glueft.Encoder):
    """A family of post-norm encoders.

    Attributes:
        keys: what the family calls those of BERT's keys that have another name.
        modules: the module of each of the encoder's layers, without the prefix.
        head_dense, head_output: the modules of the head's dense layers, in full.
        head_activation: after the first of them.
        head_drops_first: whether the first token's state is dropped out before that layer, too.
        dense_is_pooler: the first of them is the encoder's own pooler: kept under a new head.
        positions_from_padding: positions count the tokens that are not padding, from pad id + 1.
    """

    defaults: ClassVar[Mapping[str, Any]] = BERT_DEFAULTS
    adapted: ClassVar[tuple[str, ...]] = ("query_key_value", "projection", "intermediate", "output_dense")
    poolings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"first": {}}
    keys: ClassVar[Mapping[str, str]] = {}
    modules: ClassVar[Mapping[str, str]] = BERT_MODULES
    head_dense: ClassVar[str]
    head_output: ClassVar[str]
    head_activation: ClassVar[str] = "tanh"
    head_drops_first: ClassVar[bool] = False
    dense_is_pooler: ClassVar[bool] = False
    positions_from_padding: ClassVar[bool] = False

    def read_config(self, values: glueft.ConfigReader) -> PostNormConfig:
        def key(name: str) -> str:
            return self.keys.get(name, name)

        positions = "position_embedding_type"
        if positions in values:
            absolute = values[positions] in (None, "absolute")
            values.refuse(positions, not absolute, 'learned absolute positions ("absolute")')
        hidden_size = values.whole(key("hidden_size"))
        num_heads = values.whole(key("num_attention_heads"))
        if hidden_size % num_heads:
            raise values.inconsistent(
                "the hidden size cannot be shared among the attention heads",
                "a hidden size that is a multiple of the number of heads",
                f"hidden size {hidden_size}, {num_heads} heads",
            )
        hidden_dropout = values.rate(key("hidden_dropout_prob"))
        num_layers = values.whole(key("num_hidden_layers"))
        has_own_size = "embedding_size" in values and values["embedding_size"] is not None
        embedding_size = values.whole("embedding_size") if has_own_size else hidden_size
        padding_index = values.whole("pad_token_id", least=0) if self.positions_from_padding else None
        # Only a family that has none by default can be without.
        least_types = min(1, self.defaults.get("type_vocab_size", 0))
        return PostNormConfig(
            vocab_size=values.whole("vocab_size"),
            hidden_size=hidden_size,
            num_layers=num_layers,
            max_positions=self._max_positions(values, padding_index),
            type_vocab_size=values.whole("type_vocab_size", least_types) if "type_vocab_size" in values else 0,
            padding_index=padding_index,
            initializer_range=values.positive("initializer_range"),
            embedding_size=embedding_size,
            num_groups=num_layers,
            blocks_per_group=1,
            num_heads=num_heads,
            intermediate_size=values.whole(key("intermediate_size")),
            activation=values.choice(key("hidden_act"), ACTIVATIONS, "activation"),
            # DistilBERT's is fixed.
            layer_norm_eps=values.positive("layer_norm_eps") if "layer_norm_eps" in values else 1e-12,
            hidden_dropout=hidden_dropout,
            attention_dropout=values.rate(key("attention_probs_dropout_prob")),
            projection_dropout=hidden_dropout,
            feed_forward_dropout=hidden_dropout,
            head_dropout=self.head_dropout(values, hidden_dropout),
            max_position_embeddings=values.whole("max_position_embeddings"),
            project_embeddings=embedding_size != hidden_size,
        )

    def head_dropout(self, values: glueft.ConfigReader, hidden_dropout: float) -> float:
        return hidden_dropout if values["classifier_dropout"] is None else values.rate("classifier_dropout")

    def _max_positions(self, values: glueft.ConfigReader, padding_index: int | None) -> int:
        """The longest row. RoBERTa's positions start at padding_index + 1: its 514 embeddings serve 512 tokens."""
        positions = values.whole("max_position_embeddings")
        if padding_index is None:
            return positions
        if padding_index + 1 >= positions:
            raise values.inconsistent(
                "no position is left for a token",
                "max_position_embeddings well above pad_token_id, from which this family counts its positions",
                f"max_position_embeddings {positions:,}, pad_token_id {padding_index:,}",
            )
        return positions - padding_index - 1

    def tensors(self, config: PostNormConfig, outputs: int) -> Iterator[CheckpointTensor]:
        yield from self.encoder_tensors(config)
        role = "pooler" if self.dense_is_pooler else "head"
        hidden = config.hidden_size
        yield from CheckpointTensor.dense(self.head_dense, "head.dense", hidden, hidden, role=role)
        yield from CheckpointTensor.dense(self.head_output, "head.output_dense", outputs, hidden, role="output")

    def encoder_tensors(self, config: Any) -> Iterator[CheckpointTensor]:
        """Give the tensors of the embeddings, then those of every block."""
        dense, embedding, norm = CheckpointTensor.dense, CheckpointTensor.embedding, CheckpointTensor.norm
        modules = {layer: self.prefix + module for layer, module in self.modules.items()}
        width, hidden = config.embedding_size, config.hidden_size
        tables = {"word_embeddings": config.vocab_size, "position_embeddings": config.max_position_embeddings}
        if config.type_vocab_size:
            tables["token_type_embeddings"] = config.type_vocab_size
        for layer, rows in tables.items():
            yield from embedding(modules[layer], f"encoder.embeddings.{layer}", rows, width)
        yield from norm(modules["embeddings_norm"], "encoder.embeddings.embeddings_norm", width)
        if config.project_embeddings:
            layer = "embeddings_projection"
            yield from dense(modules[layer], f"encoder.embeddings.{layer}", hidden, width)
        # Not a list of names first: a config.json may call for any number of blocks.
        for index in range(config.num_groups * config.blocks_per_group):
            yield from self.block_tensors(config, index)

    def block_tensors(self, config: Any, index: int) -> Iterator[CheckpointTensor]:
        """Give the tensors of one block."""
        dense, norm = CheckpointTensor.dense, CheckpointTensor.norm
        hidden, inner = config.hidden_size, config.intermediate_size
        group, place = divmod(index, config.blocks_per_group)
        named = {
            layer: self.prefix + module.format(block=index, group=group, inner=place)
            for layer, module in self.modules.items()
        }
        block = f"encoder.blocks.{index}"
        for part, layer in enumerate(("query", "key", "value")):
            yield from dense(named[layer], f"{block}.query_key_value", hidden, hidden, part=part)
        yield from dense(named["projection"], f"{block}.projection", hidden, hidden)
        yield from norm(named["attention_norm"], f"{block}.attention_norm", hidden)
        yield from dense(named["intermediate"], f"{block}.intermediate", inner, hidden)
        yield from dense(named["output"], f"{block}.output_dense", hidden, inner)
        yield from norm(named["output_norm"], f"{block}.output_norm", hidden)

    def build_encoder(self, config: PostNormConfig, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.post_norm_layers import PostNormEncoder

        return PostNormEncoder(config, dropouts, name="encoder")

    def build_head(self, config: PostNormConfig, outputs: int, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.post_norm_layers import Head

        return Head(
            config,
            outputs,
            dropouts,
            activation=self.head_activation,
            first_dropout=config.head_dropout if self.head_drops_first else None,
            name="head",
        )

    def onnx(self, graph: Any, model: Any) -> None:
        from glueft_encoders.post_norm_onnx import write_classifier

        write_classifier(graph, model, self.head_activation)
