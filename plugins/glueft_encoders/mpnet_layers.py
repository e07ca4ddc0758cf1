"""The layers of MPNet's encoder: post-norm blocks with a bias of the scores. This module imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from glueft.encoder.layers import attention_mask_bias, diagonals
from glueft_encoders.mpnet import relative_buckets
from glueft_encoders.post_norm_layers import Embeddings, PostNormEncoder

if TYPE_CHECKING:
    from glueft_encoders.mpnet import MPNetConfig


class MPNetEmbeddings(Embeddings):
    """Embeddings of words and positions, and the biases of relative positions."""

    def __init__(self, config: MPNetConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(config, dropouts, **options)
        self.relative_bias = keras.layers.Embedding(
            config.relative_rows, config.num_heads, embeddings_initializer="zeros", name="relative_bias"
        )
        self.buckets = relative_buckets(config.max_positions)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.relative_bias.build((None,))

    def scores(self, length: Any) -> Any:
        """The biases of rows of a length, (1, heads, length, length)."""
        middle = len(self.buckets) // 2
        buckets = ops.convert_to_tensor(self.buckets)[middle - length : middle + length]
        by_distance = ops.transpose(self.relative_bias(buckets))
        heads = by_distance.shape[0]
        rows = ops.broadcast_to(by_distance[None, :, None, :], (1, heads, length, 2 * length))
        return diagonals(rows, length, length)


class MPNetEncoder(PostNormEncoder):
    """Embeddings and blocks. All blocks get the same biases, which are computed once."""

    embeddings_kind = MPNetEmbeddings

    def bias(self, attention_mask: Any, dtype: Any) -> Any:
        return attention_mask_bias(attention_mask, dtype) + self.embeddings.scores(ops.shape(attention_mask)[1])
