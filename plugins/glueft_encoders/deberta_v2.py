"""DeBERTa-v2 and v3 (He et al., 2021, arXiv:2006.03654 and arXiv:2111.09543): attention by relative positions.

Config and tensor names are here; the layers are in `deberta_v2_layers`, the ONNX graph in `deberta_v2_onnx`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft.encoder.activations import ACTIVATIONS
from glueft_encoders.post_norm import PostNorm, PostNormConfig

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

LAYER = "encoder.layer.{block}"

# How scores may depend on relative positions: of the query's content on the key's position, and the other way round.
CONTENT_TO_POSITION, POSITION_TO_CONTENT = "c2p", "p2c"
# Without position embeddings no tensor limits max_position_embeddings, of which a table is made.
MOST_POSITIONS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class DebertaV2Config(PostNormConfig):
    """The settings of a DeBERTa encoder and its head.

    Attributes:
        absolute_positions: whether position embeddings are added to those of the words.
        score_terms: of `CONTENT_TO_POSITION` and `POSITION_TO_CONTENT`, those in `pos_att_type`; scores are divided by
            the square root of the heads' size times one more than their number.
        relative_attention: whether there are relative positions at all.
        max_relative: the distance that has the last bucket.
        buckets: positions further apart than half of them share buckets, by logarithm; 0 for a bucket a distance.
        shares_projections: positions are projected by the layers of the content's queries and keys.
        normalises_positions: whether a layer norm comes after the relative embeddings.
        pooler_dropout, pooler_activation: before and after the head's first dense layer.
    """

    absolute_positions: bool
    score_terms: frozenset[str]
    relative_attention: bool
    max_relative: int
    buckets: int
    shares_projections: bool
    normalises_positions: bool
    pooler_dropout: float
    pooler_activation: str

    @property
    def relative_terms(self) -> frozenset[str]:
        """The terms of the scores that depend on relative positions."""
        return self.score_terms if self.relative_attention else frozenset()

    @property
    def span(self) -> int:
        """Half the number of relative embeddings."""
        return self.buckets or self.max_relative

    @property
    def position_projections(self) -> tuple[str, ...]:
        """The layers of a block that project positions alone."""
        if self.shares_projections:
            return ()
        layers = {CONTENT_TO_POSITION: "position_key", POSITION_TO_CONTENT: "position_query"}
        return tuple(layer for term, layer in layers.items() if term in self.relative_terms)

    def relative_rows(self) -> NDArray[np.int32]:
        """The row of the relative embeddings for each distance from -max_positions to max_positions - 1.

        Distances beyond half the buckets go by logarithm: transformers' make_log_bucket_position, in float32.
        """
        import numpy as np

        distances = np.arange(-self.max_positions, self.max_positions)
        middle = self.buckets // 2
        far = np.abs(distances) > middle
        if self.buckets and far.any():
            furthest = np.log(np.float32((self.max_relative - 1) / middle))
            ratios = np.log(np.abs(distances[far]).astype(np.float32) / np.float32(middle)) / furthest
            distances[far] = np.sign(distances[far]) * (np.ceil(ratios * np.float32(middle - 1)) + middle)
        return np.clip(distances + self.span, 0, 2 * self.span - 1).astype(np.int32)


class DebertaV2(PostNorm):
    """DeBERTa-v2 and v3: words and relative positions have scores of their own."""

    name = "deberta-v2"
    architecture = "DebertaV2ForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("deberta",)
    prefix = "deberta."
    float16_fault = "its checkpoints' products are larger than float16's largest number, 65,504, and the loss is NaN"
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128100,
        "embedding_size": None,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "attention_head_size": None,
        "intermediate_size": 6144,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-7,
        "pad_token_id": 0,
        "position_biased_input": True,
        "relative_attention": False,
        "max_relative_positions": -1,
        "position_buckets": -1,
        "pos_att_type": None,
        "share_att_key": False,
        "norm_rel_ebd": "none",
        "conv_kernel_size": 0,
        "pooler_hidden_size": None,
        "pooler_dropout": 0.0,
        "pooler_hidden_act": "gelu",
        "cls_dropout": None,
    }
    modules: ClassVar[Mapping[str, str]] = {
        "word_embeddings": "embeddings.word_embeddings",
        "position_embeddings": "embeddings.position_embeddings",
        "token_type_embeddings": "embeddings.token_type_embeddings",
        "embeddings_projection": "embeddings.embed_proj",
        "embeddings_norm": "embeddings.LayerNorm",
        "relative_embeddings": "encoder.rel_embeddings",
        "relative_norm": "encoder.LayerNorm",
        "query": f"{LAYER}.attention.self.query_proj",
        "key": f"{LAYER}.attention.self.key_proj",
        "value": f"{LAYER}.attention.self.value_proj",
        "position_key": f"{LAYER}.attention.self.pos_key_proj",
        "position_query": f"{LAYER}.attention.self.pos_query_proj",
        "projection": f"{LAYER}.attention.output.dense",
        "attention_norm": f"{LAYER}.attention.output.LayerNorm",
        "intermediate": f"{LAYER}.intermediate.dense",
        "output": f"{LAYER}.output.dense",
        "output_norm": f"{LAYER}.output.LayerNorm",
    }
    head_dense = "pooler.dense"
    head_output = "classifier"

    def read_config(self, values: glueft.ConfigReader) -> DebertaV2Config:
        values.refuse(
            "conv_kernel_size",
            values["conv_kernel_size"] not in (None, 0),
            "no convolution beside the first layer (conv_kernel_size = 0): of Microsoft's, deberta-v2-xlarge and "
            "-xxlarge have one, and deberta-v3-xsmall to -large have none",
        )
        config = super().read_config(values)
        for key, size, what in (
            ("attention_head_size", config.hidden_size // config.num_heads, "the hidden size over the number of heads"),
            ("pooler_hidden_size", config.hidden_size, "the hidden size"),
        ):
            if values[key] not in (None, size):
                raise values.inconsistent(
                    f"{key} does not fit the layers", f"{size}, {what}", f"{key} = {values[key]!r}"
                )
        norms = values.text("norm_rel_ebd").lower().split("|")
        max_relative, buckets = _relative_range(values, config.max_positions)
        return DebertaV2Config(
            **vars(config),
            absolute_positions=values.flag("position_biased_input"),
            relative_attention=values.flag("relative_attention"),
            score_terms=_score_terms(values),
            max_relative=max_relative,
            buckets=buckets,
            shares_projections=values.flag("share_att_key"),
            normalises_positions="layer_norm" in [norm.strip() for norm in norms],
            pooler_dropout=values.rate("pooler_dropout"),
            pooler_activation=values.choice("pooler_hidden_act", ACTIVATIONS, "activation"),
        )

    def head_dropout(self, values: glueft.ConfigReader, hidden_dropout: float) -> float:
        return hidden_dropout if values["cls_dropout"] is None else values.rate("cls_dropout")

    def encoder_tensors(self, config: DebertaV2Config) -> Iterator[CheckpointTensor]:
        dense, embedding, norm = CheckpointTensor.dense, CheckpointTensor.embedding, CheckpointTensor.norm
        modules = {layer: self.prefix + module for layer, module in self.modules.items()}
        width, hidden = config.embedding_size, config.hidden_size
        tables = {"word_embeddings": config.vocab_size}
        if config.absolute_positions:
            tables["position_embeddings"] = config.max_position_embeddings
        if config.type_vocab_size:
            tables["token_type_embeddings"] = config.type_vocab_size
        for layer, rows in tables.items():
            yield from embedding(modules[layer], f"encoder.embeddings.{layer}", rows, width)
        if config.project_embeddings:
            layer = "embeddings_projection"
            yield from dense(modules[layer], f"encoder.embeddings.{layer}", hidden, width, bias=False)
        yield from norm(modules["embeddings_norm"], "encoder.embeddings.embeddings_norm", hidden)
        for index in range(config.num_layers):
            yield from self.block_tensors(config, index)
        if config.relative_attention:
            layer = "relative_embeddings"
            yield from embedding(modules[layer], f"encoder.embeddings.{layer}", 2 * config.span, hidden)
        if config.normalises_positions:
            yield from norm(modules["relative_norm"], "encoder.embeddings.relative_norm", hidden)

    def block_tensors(self, config: DebertaV2Config, index: int) -> Iterator[CheckpointTensor]:
        yield from super().block_tensors(config, index)
        for layer in config.position_projections:
            name = self.prefix + self.modules[layer].format(block=index)
            yield from CheckpointTensor.dense(
                name, f"encoder.blocks.{index}.{layer}", config.hidden_size, config.hidden_size
            )

    def build_encoder(self, config: Any, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.deberta_v2_layers import DebertaV2Encoder

        return DebertaV2Encoder(config, dropouts, name="encoder")

    def build_head(self, config: Any, outputs: int, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.post_norm_layers import Head

        return Head(
            config,
            outputs,
            dropouts,
            activation=config.pooler_activation,
            first_dropout=config.pooler_dropout,
            name="head",
        )

    def onnx(self, graph: Any, model: Any) -> None:
        from glueft_encoders.deberta_v2_onnx import write_classifier

        write_classifier(graph, model)


def _score_terms(values: glueft.ConfigReader) -> frozenset[str]:
    """Read pos_att_type: a list, or names between bars."""
    given = values["pos_att_type"]
    terms = given.lower().split("|") if isinstance(given, str) else given or []
    found = frozenset(str(term).strip() for term in terms) if isinstance(terms, list) else frozenset("?")
    refused = not found <= {CONTENT_TO_POSITION, POSITION_TO_CONTENT, ""}
    values.refuse("pos_att_type", refused, '"c2p", "p2c" or both: transformers\' DeBERTa-v2 computes no other term')
    return found - {""}


def _relative_range(values: glueft.ConfigReader, max_positions: int) -> tuple[int, int]:
    """Read the distance of the last bucket, and the number of buckets on each side."""
    buckets = max(0, values.whole("position_buckets", least=-1))
    for key, positions in (("max_position_embeddings", max_positions), ("position_buckets", buckets)):
        if positions > MOST_POSITIONS:
            raise values.inconsistent(
                f"{key} is larger than any encoder's", f"at most {MOST_POSITIONS:,}", f"{positions:,}"
            )
    furthest = values.whole("max_relative_positions", least=-1)
    if furthest < 1:
        furthest = max_positions
    middle = buckets // 2
    # Further apart than the middle, a distance's bucket is a logarithm over that of (furthest - 1) / middle.
    if buckets == 1 or (max_positions > middle >= furthest - 1 and buckets):
        raise values.inconsistent(
            "position_buckets does not fit max_relative_positions",
            "2 or more buckets, whose half is well below the furthest relative position; or -1 for none",
            f"{buckets} buckets, relative positions up to {furthest}",
        )
    return furthest, buckets
