"""The BERT family's encoder: embeddings, then post-norm blocks of self-attention and feed-forward layers.

Stock Keras layers and `keras.ops` only, so it runs on every Keras backend, with dynamic shapes and under XLA.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from glueft.encoder.activations import ACTIVATIONS
from glueft.encoder.config import EncoderConfig
from glueft.encoder.dropout import ByteDropout
from glueft.encoder.layer_norm import LayerNorm
from glueft.encoder.word_embeddings import WordEmbeddings

# Added to the attention scores of padding. exp(-3e4) is 0 in float32, and -3e4 plus a score is finite in float16.
MASKED = -3e4


def dense_layer(units: int, name: str, **options: Any) -> keras.layers.Dense:
    """A dense layer of zeros: every weight is set when a checkpoint is loaded, and drawing numbers costs time."""
    return keras.layers.Dense(units, kernel_initializer="zeros", name=name, **options)


class Dropouts:
    """Makes the dropout layers of one model, each with a seed of its own that depends on the model's seed alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.made = 0

    def __call__(self, rate: float) -> ByteDropout | None:
        """A dropout layer, or None where nothing would be dropped."""
        self.made += 1
        seed = (self.seed * 1_000_003 + self.made) % 2**31
        return ByteDropout(rate, seed, name=f"dropout_{self.made}") if rate > 0 else None


class Embeddings(keras.layers.Layer):  # type: ignore[misc]
    """Word, position and token-type embeddings, summed and normalised; mapped to the hidden size where it differs."""

    def __init__(self, config: EncoderConfig, dropouts: Dropouts, **options: Any) -> None:
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
        """Create every variable; the shapes are known from the config."""
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
            # transformers' create_position_ids_from_input_ids: padding stays at its own index, wherever it stands.
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

    def __init__(self, config: EncoderConfig, dropouts: Dropouts, **options: Any) -> None:
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
        """Create every variable; the shapes are known from the config."""
        states = (None, None, self.hidden_size)
        for layer in (self.query_key_value, self.projection, self.attention_norm, self.intermediate, self.output_norm):
            layer.build(states)
        self.output_dense.build((None, None, self.intermediate_size))

    def call(self, states: Any, mask: Any, training: bool = False, first_token: bool = False) -> Any:
        """Compute new states from old ones.

        Args:
            states: (batch * length, hidden). Two axes rather than three: a dense layer is then one matrix product,
                without the reshaping around it.
            mask: (batch, 1, 1, length), added to the scores.
            training: whether dropout is applied.
            first_token: compute the new state of the first tokens alone, at a quarter of the work.

        Returns:
            The same shape, or (batch, hidden) with `first_token`.
        """
        attended = self.projection(self._attend(states, mask, training, first_token))
        if first_token:
            states = ops.reshape(states, (*ops.shape(mask)[::3], self.hidden_size))[:, 0]
        if self.projection_dropout is not None:
            attended = self.projection_dropout(attended, training=training)
        states = self.attention_norm(attended + states)
        output = self.output_dense(self.intermediate(states))
        if self.output_dropout is not None:
            output = self.output_dropout(output, training=training)
        return self.output_norm(output + states)

    def _attend(self, states: Any, mask: Any, training: bool, first_token: bool) -> Any:
        batch, length = ops.shape(mask)[::3]
        parts = ops.reshape(self.query_key_value(states), (batch, length, 3, self.num_heads, self.head_size))
        # Unstacked, not indexed: TensorFlow's gradient of an index fills a whole tensor with zeros for each part.
        query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3)
        if first_token:
            query = query[:, :, :1]
        # Scaling the query costs less than scaling the scores, and is the same.
        scores = ops.matmul(query * (self.head_size**-0.5), ops.transpose(key, (0, 1, 3, 2))) + mask
        weights = ops.softmax(scores, axis=-1)
        if self.attention_dropout is not None:
            weights = self.attention_dropout(weights, training=training)
        attended = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return ops.reshape(attended, (-1, self.hidden_size))


class Encoder(keras.layers.Layer):  # type: ignore[misc]
    """The encoder of any supported checkpoint, as its config.json says."""

    def __init__(self, config: EncoderConfig, dropouts: Dropouts, **options: Any) -> None:
        super().__init__(**options)
        self.embeddings = Embeddings(config, dropouts, name="embeddings")
        count = config.num_groups * config.blocks_per_group
        self.blocks = [Block(config, dropouts, name=f"block_{index}") for index in range(count)]
        self.block_order = config.block_order

    def build(self, input_shape: Any = None) -> None:
        """Create every variable."""
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
        """Encode a batch of rows.

        Args:
            input_ids: token ids, int (batch, length).
            attention_mask: 1 or True for tokens, 0 or False for padding (batch, length).
            token_type_ids: 0 for the first text of a pair and 1 for the second, int (batch, length).
            training: whether dropout is applied.
            first_token: leave out of the last block what only the other tokens' states need. A classification head
                reads the first token alone, and a block is a sixth of MiniLM.

        Returns:
            The last hidden states (batch, length, hidden_size), or (batch, 1, hidden_size) with `first_token`, in the
            compute dtype of the Keras dtype policy.
        """
        states = self.embeddings(input_ids, token_type_ids, training=training)
        mask = ops.cast(ops.logical_not(ops.cast(attention_mask, "bool")), states.dtype) * MASKED
        mask = mask[:, None, None, :]
        size = self.blocks[0].hidden_size
        states = ops.reshape(states, (-1, size))
        *order, last = self.block_order
        for index in order:
            states = self.blocks[index](states, mask, training=training)
        states = self.blocks[last](states, mask, training=training, first_token=first_token)
        return ops.reshape(states, (ops.shape(mask)[0], -1, size))
