"""The layers of DeBERTa-v2's encoder: relative positions have scores with queries and keys. This module imports Keras.

The relative position of query i and key j is i - j alone. So the scores of a row's length L need 2 L positions, and are
products of (L, 2 L), of which each row is shifted by one: two copies, where a gather would take an index a score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from glueft.encoder.layers import MASKED, LayerNorm, attend, dense_layer, diagonals
from glueft.encoder.word_embeddings import WordEmbeddings
from glueft_encoders.deberta_v2 import CONTENT_TO_POSITION, POSITION_TO_CONTENT
from glueft_encoders.post_norm_layers import Block

if TYPE_CHECKING:
    from glueft_encoders.deberta_v2 import DebertaV2Config


class DebertaV2Embeddings(keras.layers.Layer):  # type: ignore[misc]
    """Embeddings of words, and of positions and token types where there are any; and those of relative positions."""

    def __init__(self, config: DebertaV2Config, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        size, hidden = config.embedding_size, config.hidden_size

        def table(rows: int, size: int, name: str, kind: Any = keras.layers.Embedding) -> Any:
            return kind(rows, size, embeddings_initializer="zeros", name=name) if rows else None

        def norm(name: str) -> LayerNorm:
            return LayerNorm(epsilon=config.layer_norm_eps, name=name)

        positions = config.max_position_embeddings if config.absolute_positions else 0
        relative_positions = 2 * config.span if config.relative_attention else 0
        self.word_embeddings = table(config.vocab_size, size, "word_embeddings", WordEmbeddings)
        self.position_embeddings = table(positions, size, "position_embeddings")
        self.token_type_embeddings = table(config.type_vocab_size, size, "token_type_embeddings")
        self.embeddings_projection = None
        if config.project_embeddings:
            self.embeddings_projection = dense_layer(hidden, "projection", use_bias=False)
        self.embeddings_norm = norm("norm")
        self.dropout = dropouts(config.hidden_dropout)
        self.relative_embeddings = table(relative_positions, hidden, "relative_embeddings")
        self.relative_norm = norm("relative_norm") if config.normalises_positions else None
        self.relative_rows, self.span = config.relative_rows(), config.span
        # Whether a distance's row is no further from the middle than the distance: then short rows need few of them.
        distances = np.arange(-config.max_positions, config.max_positions)
        self.is_compact = bool((np.abs(self.relative_rows - self.span) <= np.abs(distances)).all())
        self.embedding_size, self.hidden_size = size, hidden

    def build(self, input_shape: Any = None) -> None:
        tables = (self.word_embeddings, self.position_embeddings, self.token_type_embeddings, self.relative_embeddings)
        for layer in tables:
            if layer is not None:
                layer.build((None, None))
        if self.embeddings_projection is not None:
            self.embeddings_projection.build((None, None, self.embedding_size))
        self.embeddings_norm.build((None, None, self.hidden_size))
        if self.relative_norm is not None:
            self.relative_norm.build((None, self.hidden_size))

    def call(self, input_ids: Any, attention_mask: Any, token_type_ids: Any, training: bool = False) -> Any:
        """Map ids (batch, length) to states (batch, length, hidden); those of padding are zeros."""
        states = self.word_embeddings(input_ids)
        if self.position_embeddings is not None:
            states = states + self.position_embeddings(ops.arange(ops.shape(input_ids)[1], dtype="int32"))
        if self.token_type_embeddings is not None:
            states = states + self.token_type_embeddings(token_type_ids)
        if self.embeddings_projection is not None:
            states = self.embeddings_projection(states)
        states = self.embeddings_norm(states)
        states = states * ops.cast(attention_mask, states.dtype)[:, :, None]
        return states if self.dropout is None else self.dropout(states, training=training)

    def relative(self, length: Any) -> tuple[Any, Any]:
        """The relative positions of rows of a length: their embeddings, and which of them is that of each distance.

        Returns:
            (positions, hidden), and the index among these of each distance from -length to length - 1, (2 * length,).
        """
        reach: Any = self.span
        if self.is_compact:
            reach = min(length, self.span) if isinstance(length, int) else ops.minimum(length, self.span)
        first = self.span - reach
        states = self.relative_embeddings(ops.arange(first, self.span + reach, dtype="int32"))
        if self.relative_norm is not None:
            states = self.relative_norm(states)
        middle = len(self.relative_rows) // 2
        rows = ops.convert_to_tensor(self.relative_rows)[middle - length : middle + length]
        return states, rows - first


class DebertaV2Block(Block):
    """A post-norm block whose attention is disentangled: He et al., 2021, arXiv:2006.03654, section 3."""

    def __init__(self, config: DebertaV2Config, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(config, dropouts, **options)
        self.terms = config.relative_terms
        self.scale = (self.head_size * (1 + len(config.score_terms))) ** -0.5
        self.position_dropout = dropouts(config.hidden_dropout)
        self.position_key = self.position_query = None
        for layer in config.position_projections:
            setattr(self, layer, dense_layer(config.hidden_size, layer))

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        for layer in (self.position_key, self.position_query):
            if layer is not None:
                layer.build((None, self.hidden_size))

    def call(  # type: ignore[override]
        self,
        states: Any,
        mask: Any,
        positions: Any,
        distances: Any,
        training: bool = False,
        first_token: bool = False,
    ) -> Any:
        """Compute new states from old ones, as `Block` does.

        Args:
            states: (batch * length, hidden).
            mask: whether query and key are tokens, boolean (batch, 1, length, length).
            positions, distances: from `DebertaV2Embeddings.relative`; None where there are no such terms.
            training, first_token: as in `Block`.
        """
        batch, length = ops.shape(mask)[::3]
        query, key, value = self._heads(self.query_key_value(states), batch, length)
        query = query * self.scale
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if self.terms:
            if self.position_dropout is not None:
                positions = self.position_dropout(positions, training=training)
            scores = scores + self._relative_scores(query, key, positions, distances, length)
        if first_token:
            scores, mask = scores[:, :, :1], mask[:, :, :1]
            states = ops.reshape(states, (batch, length, self.hidden_size))[:, 0]
        scores = ops.where(mask, scores, ops.cast(MASKED, scores.dtype))
        attended = attend(scores, value, dropout=self.attention_dropout, training=training)
        return self._after_attention(states, ops.reshape(attended, (-1, self.hidden_size)), training)

    def _relative_scores(self, query: Any, key: Any, positions: Any, distances: Any, length: Any) -> Any:
        """The terms of the scores that depend on positions, (batch, heads, length, length)."""
        position_query, position_key = self.projected(positions)
        scores = []
        if CONTENT_TO_POSITION in self.terms:
            # From length - 1 down to -length, so that a query's keys stand in their order.
            falling = ops.take(position_key, ops.flip(distances), axis=2)
            products = ops.matmul(query, ops.transpose(falling, (0, 1, 3, 2)))
            scores.append(diagonals(products, length, length - 1))
        if POSITION_TO_CONTENT in self.terms:
            rising = ops.take(position_query * self.scale, distances, axis=2)
            products = ops.matmul(key, ops.transpose(rising, (0, 1, 3, 2)))
            scores.append(ops.transpose(diagonals(products, length, length), (0, 1, 3, 2)))
        return sum(scores[1:], scores[0])

    def projected(self, positions: Any) -> list[Any]:
        """Positions (positions, hidden) as queries and as keys, each (1, heads, positions, size); None where unused."""
        rows = ops.shape(positions)[0]
        if self.position_query is None and self.position_key is None:
            return self._heads(self.query_key_value(positions), 1, rows)[:2]
        layers = (self.position_query, self.position_key)
        return [None if layer is None else self._heads(layer(positions), 1, rows)[0] for layer in layers]


class DebertaV2Encoder(keras.layers.Layer):  # type: ignore[misc]
    """Embeddings, and blocks that all get the same relative positions."""

    def __init__(self, config: DebertaV2Config, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size
        self.is_relative = bool(config.relative_terms)
        self.embeddings = DebertaV2Embeddings(config, dropouts, name="embeddings")
        self.blocks = [DebertaV2Block(config, dropouts, name=f"block_{index}") for index in range(config.num_layers)]

    def build(self, input_shape: Any = None) -> None:
        self.embeddings.build()
        for block in self.blocks:
            block.build()

    def call(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        training: bool = False,
        first_token: bool = False,
    ) -> Any:
        """Encode a batch of rows, as `glueft.Encoder.build_encoder` says."""
        states = self.embeddings(input_ids, attention_mask, token_type_ids, training=training)
        batch, length = ops.shape(input_ids)
        token = ops.cast(attention_mask, "bool")
        # As in transformers, a query that is padding sees every key alike.
        mask = ops.logical_and(token[:, None, :, None], token[:, None, None, :])
        positions = self.embeddings.relative(length) if self.is_relative else (None, None)
        states = ops.reshape(states, (-1, self.hidden_size))
        *blocks, last = self.blocks
        for block in blocks:
            states = block(states, mask, *positions, training=training)
        states = last(states, mask, *positions, training=training, first_token=first_token)
        return ops.reshape(states, (batch, -1, self.hidden_size))
