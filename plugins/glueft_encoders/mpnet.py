"""MPNet (Song et al., 2020, arXiv:2004.09297): RoBERTa's positions, and a bias of the scores by relative position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft_encoders.post_norm import PostNorm, PostNormConfig

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

# Fixed in transformers' MPNetEncoder, whatever config.json says: relative positions of both signs share so many.
BUCKETS = 32
LAYER = "encoder.layer.{block}"


@dataclass(frozen=True, kw_only=True)
class MPNetConfig(PostNormConfig):
    """The settings of an MPNet encoder and its head; `relative_rows` is how many biases each head has."""

    relative_rows: int


class MPNet(PostNorm):
    """MPNet: absolute positions, and a learned bias for each relative one."""

    name = "mpnet"
    architecture = "MPNetForSequenceClassification"
    prefix = "mpnet."
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30527,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "relative_attention_num_buckets": 32,
        "pad_token_id": 1,
    }
    modules: ClassVar[Mapping[str, str]] = {
        "word_embeddings": "embeddings.word_embeddings",
        "position_embeddings": "embeddings.position_embeddings",
        "embeddings_norm": "embeddings.LayerNorm",
        "relative_bias": "encoder.relative_attention_bias",
        "query": f"{LAYER}.attention.attn.q",
        "key": f"{LAYER}.attention.attn.k",
        "value": f"{LAYER}.attention.attn.v",
        "projection": f"{LAYER}.attention.attn.o",
        "attention_norm": f"{LAYER}.attention.LayerNorm",
        "intermediate": f"{LAYER}.intermediate.dense",
        "output": f"{LAYER}.output.dense",
        "output_norm": f"{LAYER}.output.LayerNorm",
    }
    head_dense = "classifier.dense"
    head_output = "classifier.out_proj"
    head_drops_first = True
    positions_from_padding = True

    def read_config(self, values: glueft.ConfigReader) -> MPNetConfig:
        padding = values["pad_token_id"]
        values.refuse("pad_token_id", padding != 1, "pad_token_id = 1, from which MPNet counts its positions")
        rows = values.whole("relative_attention_num_buckets")
        few = f"{BUCKETS} or more: so many are in use, whatever it says"
        values.refuse("relative_attention_num_buckets", rows < BUCKETS, few)
        return MPNetConfig(**vars(super().read_config(values)), relative_rows=rows)

    def head_dropout(self, values: glueft.ConfigReader, hidden_dropout: float) -> float:
        return hidden_dropout

    def encoder_tensors(self, config: Any) -> Iterator[CheckpointTensor]:
        yield from super().encoder_tensors(config)
        module = self.prefix + self.modules["relative_bias"]
        layer = "encoder.embeddings.relative_bias"
        yield from CheckpointTensor.embedding(module, layer, config.relative_rows, config.num_heads)

    def build_encoder(self, config: Any, dropouts: Callable[[float], Any]) -> keras.layers.Layer:
        from glueft_encoders.mpnet_layers import MPNetEncoder

        return MPNetEncoder(config, dropouts, name="encoder")

    def onnx(self, graph: Any, model: Any) -> None:
        from glueft_encoders.post_norm_onnx import write_classifier

        write_classifier(graph, model, self.head_activation, self._onnx_bias(graph, model.encoder.embeddings))

    def _onnx_bias(self, graph: Any, layers: Any) -> str:
        """The bias of padding and relative positions, (batch, heads, length, length)."""
        padding: str = graph.attention_mask_bias()
        graph.scope = "positions"
        length = graph("Gather", graph("Shape", graph.inputs[0]), graph.whole(1, scalar=True))
        positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
        apart = graph("Sub", positions, graph("Unsqueeze", positions, graph.whole(1)))
        place = graph("Add", apart, graph.whole(len(layers.buckets) // 2, scalar=True))
        by_distance = layers.relative_bias.embeddings.numpy()[layers.buckets].T
        bias = graph("Gather", graph.weight(layers.relative_bias.embeddings.path, by_distance), place, axis=1)
        return str(graph("Add", padding, graph("Unsqueeze", bias, graph.whole(0))))


def relative_buckets(furthest: int) -> NDArray[np.int32]:
    """The bucket of each key's position relative to its query's, from -furthest to furthest - 1.

    transformers' `relative_position_bucket`: half the buckets are for keys after the query; of each half the first
    half is a bucket a distance, and from 8 on there are two for each doubling: 8 + floor(2 log2(distance / 8)), here in
    whole numbers, and at most 15.
    """
    import numpy as np

    distances = np.arange(-furthest, furthest)
    half, exact = BUCKETS // 2, BUCKETS // 4
    starts = np.arange(half)  # of the buckets
    starts[exact:] = [next(n for n in range(exact, 200) if n * n >= exact * exact << k) for k in range(half - exact)]
    buckets = np.searchsorted(starts, np.abs(distances), side="right") - 1
    return np.asarray(buckets + np.where(distances > 0, half, 0), np.int32)
