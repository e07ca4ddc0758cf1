"""The layers of a post-norm encoder and its head. This module imports Keras; `post_norm` imports it when it builds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from glueft.encoder.activations import ACTIVATIONS
from glueft.encoder.layers import LayerNorm, attention, attention_mask_bias, dense_layer
from glueft.encoder.word_embeddings import WordEmbeddings

if TYPE_CHECKING:
    from glueft_encoders.post_norm import PostNormConfig


class Embeddings(keras.layers.Layer):  # type: ignore[misc]
    """Word, position and token-type embeddings, summed and normalised; mapped to the hidden size where it differs."""

    def __init__(self, config: PostNormConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.padding_index = config.padding_index
        size = config.embedding_size

        def table(rows: int, name: str, kind: type[keras.layers.Embedding] = keras.layers.Embedding) -> Any:
            return kind(rows, size, embeddings_initializer="zeros", name=name)

        self.word_embeddings = table(config.vocab_size, "word_embeddings", WordEmbeddings)
        self.position_embeddings = table(config.max_position_embeddings, "position_embeddings")
        self.token_type_embeddings = None
        if config.type_vocab_size:
            self.token_type_embeddings = table(config.type_vocab_size, "token_type_embeddings")
        self.embeddings_norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.dropout = dropouts(config.hidden_dropout)
        self.embeddings_projection = None
        if config.project_embeddings:
            self.embeddings_projection = dense_layer(config.hidden_size, "projection")
        self.embedding_size = size

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.word_embeddings, self.position_embeddings, self.token_type_embeddings):
            if layer is not None:
                layer.build((None, None))
        self.embeddings_norm.build((None, None, self.embedding_size))
        if self.embeddings_projection is not None:
            self.embeddings_projection.build((None, None, self.embedding_size))

    def call(self, input_ids: Any, token_type_ids: Any, training: bool = False) -> Any:
        """Map ids (batch, length) to states (batch, length, hidden_size)."""
        if self.padding_index is None:
            positions = ops.arange(ops.shape(input_ids)[1], dtype="int32")
        else:
            # transformers' create_position_ids_from_input_ids: padding has its own index as its position, anywhere.
            token = ops.cast(ops.not_equal(input_ids, self.padding_index), "int32")
            positions = ops.cumsum(token, axis=1) * token + self.padding_index
        states = self.word_embeddings(input_ids)
        if self.token_type_embeddings is not None:
            states = states + self.token_type_embeddings(token_type_ids)
        states = states + self.position_embeddings(positions)
        states = self.embeddings_norm(states)
        if self.dropout is not None:
            states = self.dropout(states, training=training)
        return states if self.embeddings_projection is None else self.embeddings_projection(states)


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention and a feed-forward layer, each added to its input and then normalised (Vaswani et al., 2017)."""

    def __init__(self, config: PostNormConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        size = config.hidden_size
        self.hidden_size = size
        self.intermediate_size = config.intermediate_size
        self.num_heads = config.num_heads
        self.head_size = size // config.num_heads
        # One product for query, key and value, side by side in the columns.
        self.query_key_value = dense_layer(3 * size, "query_key_value")
        self.attention_dropout = dropouts(config.attention_dropout)
        self.projection = dense_layer(size, "projection")
        self.projection_dropout = dropouts(config.projection_dropout)
        self.attention_norm = LayerNorm(epsilon=config.layer_norm_eps, name="attention_norm")
        activation = ACTIVATIONS[config.activation]
        self.intermediate = dense_layer(config.intermediate_size, "intermediate", activation=activation)
        self.output_dense = dense_layer(size, "output")
        self.output_dropout = dropouts(config.feed_forward_dropout)
        self.output_norm = LayerNorm(epsilon=config.layer_norm_eps, name="output_norm")

    def build(self, input_shape: Any = None) -> None:
        states = (None, None, self.hidden_size)
        for layer in (self.query_key_value, self.projection, self.attention_norm, self.intermediate, self.output_norm):
            layer.build(states)
        self.output_dense.build((None, None, self.intermediate_size))

    def call(self, states: Any, bias: Any, training: bool = False, first_token: bool = False) -> Any:
        """Compute new states from old ones.

        Args:
            states: (batch * length, hidden). Two axes rather than three: a dense layer is then one matrix product,
                without the reshaping around it.
            bias: added to the scores; from `PostNormEncoder.bias`.
            training: whether dropout is applied.
            first_token: compute the new state of the first tokens alone, at a quarter of the work.

        Returns:
            The same shape, or (batch, hidden) with `first_token`.
        """
        attended = self._attend(states, bias, training, first_token)
        if first_token:
            states = ops.reshape(states, (*ops.shape(bias)[::3], self.hidden_size))[:, 0]
        return self._after_attention(states, attended, training)

    def _after_attention(self, states: Any, attended: Any, training: bool) -> Any:
        """Compute the new states, (rows, hidden), from the old ones and what they have attended to."""
        attended = self.projection(attended)
        if self.projection_dropout is not None:
            attended = self.projection_dropout(attended, training=training)
        states = self.attention_norm(attended + states)
        output = self.output_dense(self.intermediate(states))
        if self.output_dropout is not None:
            output = self.output_dropout(output, training=training)
        return self.output_norm(output + states)

    def _attend(self, states: Any, bias: Any, training: bool, first_token: bool) -> Any:
        query, key, value = self._heads(self.query_key_value(states), *ops.shape(bias)[::3])
        if first_token:
            query, bias = query[:, :, :1], bias[:, :, :1]
        attended = attention(query, key, value, bias, dropout=self.attention_dropout, training=training)
        return ops.reshape(attended, (-1, self.hidden_size))

    def _heads(self, states: Any, batch: Any, length: Any) -> list[Any]:
        """Part states (batch * length, n * hidden) into n, each by heads: (batch, heads, length, size)."""
        count = states.shape[-1] // self.hidden_size
        parts = ops.reshape(states, (batch, length, count, self.num_heads, self.head_size))
        # Unstacked, not indexed: TensorFlow's gradient of an index fills a whole tensor with zeros for each part.
        parted: list[Any] = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), count)
        return parted


class PostNormEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Embeddings and blocks. A block may be applied several times (ALBERT)."""

    embeddings_kind: ClassVar[type[Embeddings]] = Embeddings

    def __init__(self, config: PostNormConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size
        self.embeddings = self.embeddings_kind(config, dropouts, name="embeddings")
        count = config.num_groups * config.blocks_per_group
        self.blocks = [Block(config, dropouts, name=f"block_{index}") for index in range(count)]
        self.block_order = config.block_order

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
        """Encode a batch of rows, as `glueft.Encoder.build_encoder` says.

        With `first_token`, the last block leaves out what only the other tokens' states need: a block is a sixth of
        MiniLM.
        """
        states = self.embeddings(input_ids, token_type_ids, training=training)
        bias = self.bias(attention_mask, states.dtype)
        # Blocks take (batch * length, hidden).
        states = ops.reshape(states, (-1, self.hidden_size))
        *order, last = self.block_order
        for index in order:
            states = self.blocks[index](states, bias, training=training)
        states = self.blocks[last](states, bias, training=training, first_token=first_token)
        return ops.reshape(states, (ops.shape(bias)[0], -1, self.hidden_size))

    def bias(self, attention_mask: Any, dtype: Any) -> Any:
        """Return what is added to the scores of every block, (batch, heads or 1, length or 1, length)."""
        return attention_mask_bias(attention_mask, dtype)


class Head(keras.layers.Layer):  # type: ignore[misc]
    """First token, dropout where the family has it, dense, activation, dropout, one float32 logit a label."""

    first_token = True

    def __init__(
        self,
        config: PostNormConfig,
        outputs: int,
        dropouts: Callable[[float], Any],
        *,
        activation: str,
        first_dropout: float | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size
        self.dropout_before_dense = None if first_dropout is None else dropouts(first_dropout)
        self.dense = dense_layer(config.hidden_size, "dense", activation=ACTIVATIONS[activation])
        self.dropout = dropouts(config.head_dropout)
        self.output_dense = dense_layer(outputs, "output", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        self.dense.build((None, self.hidden_size))
        self.output_dense.build((None, self.hidden_size))

    def call(self, states: Any, attention_mask: Any, training: bool = False) -> Any:
        """Map hidden states (batch, length, hidden) to logits (batch, outputs)."""
        state = states[:, 0, :]
        if self.dropout_before_dense is not None:
            state = self.dropout_before_dense(state, training=training)
        state = self.dense(state)
        if self.dropout is not None:
            state = self.dropout(state, training=training)
        return self.output_dense(state)
