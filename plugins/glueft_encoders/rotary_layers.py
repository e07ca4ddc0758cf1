"""The layers of an encoder with rotary positions. This module imports Keras; `rotary` imports it when it builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from glueft.encoder.activations import ACTIVATIONS
from glueft.encoder.layers import LayerNorm, dense_layer
from glueft.encoder.word_embeddings import WordEmbeddings
from glueft_encoders.long_rows import full_attention, hidden_far_tokens, hidden_padding, local_attention
from glueft_encoders.rotary import frequencies

if TYPE_CHECKING:
    from glueft_encoders.rotary import RotaryConfig, Sight


class RMSNorm(keras.layers.Layer):  # type: ignore[misc]
    """Divides states by the root of their mean square over the last axis, in float32, and scales them."""

    def __init__(self, size: int, epsilon: float, **options: Any) -> None:
        super().__init__(**options)
        self.size, self.epsilon = size, epsilon

    def build(self, input_shape: Any = None) -> None:
        self.gamma = self.add_weight(shape=(self.size,), initializer="ones", name="gamma")

    def call(self, states: Any) -> Any:
        wide = ops.cast(states, "float32")
        mean = ops.mean(ops.square(wide), axis=-1, keepdims=True)
        return ops.cast(wide * ops.rsqrt(mean + self.epsilon), states.dtype) * ops.cast(self.gamma, states.dtype)


def norm_layer(config: RotaryConfig, name: str) -> keras.layers.Layer:
    if config.rms_norm:
        return RMSNorm(config.hidden_size, config.norm_eps, name=name)
    return LayerNorm(epsilon=config.norm_eps, center=config.norm_bias, name=name)


class Rotations:
    """Turns queries and keys by their positions: each pair of values, i and i + size / 2, by an angle of its own.

    Not a tensor, which a layer of mixed precision would round: at position 8,000, half the digits are whole turns.
    """

    def __init__(self, theta: float, head_size: int, length: Any) -> None:
        positions = ops.cast(ops.arange(length, dtype="int32"), "float32")
        angles = positions[:, None] * ops.convert_to_tensor(frequencies(theta, head_size))
        self.cosines, self.sines = ops.cos(angles), ops.sin(angles)

    def __call__(self, states: Any) -> Any:
        """Turn states (..., length, head_size), in float32 whatever their dtype."""
        first, second = ops.split(ops.cast(states, "float32"), 2, axis=-1)
        turned = [first * self.cosines - second * self.sines, second * self.cosines + first * self.sines]
        return ops.cast(ops.concatenate(turned, axis=-1), states.dtype)


@dataclass(frozen=True)
class View:
    """What the layers with one `Sight` see of a batch.

    Attributes:
        attention_mask: (batch, length), 1 for tokens.
        hidden: what is subtracted from the attention scores.
    """

    rotations: Rotations
    attention_mask: Any
    hidden: Any
    window: int | None


class Embeddings(keras.layers.Layer):  # type: ignore[misc]
    """Word embeddings, and those of token types where there are any."""

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size

        def table(rows: int, name: str, kind: type[keras.layers.Embedding] = keras.layers.Embedding) -> Any:
            return kind(rows, config.hidden_size, embeddings_initializer="zeros", name=name)

        self.word_embeddings = table(config.vocab_size, "word_embeddings", WordEmbeddings)
        self.token_type_embeddings = None
        if config.type_vocab_size:
            self.token_type_embeddings = table(config.type_vocab_size, "token_type_embeddings")
        self.embeddings_norm = norm_layer(config, "norm") if config.embeddings_norm else None
        self.dropout = dropouts(config.embedding_dropout)

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.word_embeddings, self.token_type_embeddings):
            if layer is not None:
                layer.build((None, None))
        if self.embeddings_norm is not None:
            self.embeddings_norm.build((None, None, self.hidden_size))

    def call(self, input_ids: Any, token_type_ids: Any, training: bool = False) -> Any:
        """Map ids (batch, length) to states (batch, length, hidden_size)."""
        states = self.word_embeddings(input_ids)
        if self.token_type_embeddings is not None:
            states = states + self.token_type_embeddings(token_type_ids)
        if self.embeddings_norm is not None:
            states = self.embeddings_norm(states)
        return states if self.dropout is None else self.dropout(states, training=training)


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention and a gated feed-forward layer, each added to the states, with a norm before it or after the sum.

    Args:
        first: the first of the blocks.
    """

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], *, first: bool, **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size, self.intermediate_size = config.hidden_size, config.intermediate_size
        self.pre_norm = config.pre_norm
        self.num_heads, self.num_key_value_heads = config.num_heads, config.num_key_value_heads
        self.head_size = config.head_size
        # The embeddings below are normalised already.
        normed = first and config.pre_norm and config.embeddings_norm
        self.attention_norm = None if normed else norm_layer(config, "attention_norm")
        # One product for query, key and value, side by side in the columns.
        columns = (config.num_heads + 2 * config.num_key_value_heads) * config.head_size
        self.query_key_value = dense_layer(columns, "query_key_value", use_bias=config.attention_bias)
        self.attention_dropout = dropouts(config.attention_dropout)
        self.projection = dense_layer(config.hidden_size, "projection", use_bias=config.attention_bias)
        self.projection_dropout = dropouts(config.projection_dropout)
        self.feed_forward_norm = norm_layer(config, "feed_forward_norm")
        # What goes through the activation, and what it is multiplied by, side by side in the columns.
        self.gates = dense_layer(2 * config.intermediate_size, "gates", use_bias=config.feed_forward_bias)
        self.activation = ACTIVATIONS[config.activation]
        self.gate_dropout = dropouts(config.gate_dropout)
        self.output_dense = dense_layer(config.hidden_size, "output", use_bias=config.feed_forward_bias)
        self.output_dropout = dropouts(config.output_dropout)

    def build(self, input_shape: Any = None) -> None:
        states = (None, self.hidden_size)
        for layer in (self.attention_norm, self.query_key_value, self.feed_forward_norm, self.gates):
            if layer is not None:
                layer.build(states)
        self.projection.build((None, self.num_heads * self.head_size))
        self.output_dense.build((None, self.intermediate_size))

    def call(self, states: Any, view: View, training: bool = False, first_token: bool = False) -> Any:
        """Compute new states from old ones.

        Args:
            states: (batch * length, hidden): a dense layer is then one matrix product.
            view: of the batch.
            training: whether dropout is applied.
            first_token: compute the new state of the first tokens alone.

        Returns:
            The same shape, or (batch, hidden) with `first_token`.
        """
        normed = self._before(self.attention_norm, states)
        attended = self.projection(self._attend(normed, view, training, first_token))
        if self.projection_dropout is not None:
            attended = self.projection_dropout(attended, training=training)
        if first_token:
            states = ops.reshape(states, (*ops.shape(view.attention_mask), self.hidden_size))[:, 0]
        states = self._after(self.attention_norm, states + attended)
        up, gate = ops.split(self.gates(self._before(self.feed_forward_norm, states)), 2, axis=-1)
        inner = self.activation(up) * gate
        if self.gate_dropout is not None:
            inner = self.gate_dropout(inner, training=training)
        output = self.output_dense(inner)
        if self.output_dropout is not None:
            output = self.output_dropout(output, training=training)
        return self._after(self.feed_forward_norm, states + output)

    def _before(self, norm: Any, states: Any) -> Any:
        return norm(states) if self.pre_norm and norm is not None else states

    def _after(self, norm: Any, states: Any) -> Any:
        return states if self.pre_norm else norm(states)

    def _attend(self, states: Any, view: View, training: bool, first_token: bool) -> Any:
        batch, length = ops.shape(view.attention_mask)
        shared = self.num_key_value_heads
        parts = ops.reshape(self.query_key_value(states), (batch, length, self.num_heads + 2 * shared, self.head_size))
        turned, value = ops.split(ops.transpose(parts, (0, 2, 1, 3)), [self.num_heads + shared], axis=1)
        query, key = ops.split(view.rotations(turned), [self.num_heads], axis=1)
        if shared != self.num_heads:
            key, value = (ops.repeat(part, self.num_heads // shared, axis=1) for part in (key, value))
        query = query * self.head_size**-0.5
        options = {"dropout": self.attention_dropout, "training": training}
        if first_token:
            query = query[:, :, :1]
            near = slice(None if view.window is None else view.window + 1)
            hidden = hidden_padding(view.attention_mask[:, near], query.dtype)
            attended = full_attention(query, key[:, :, near], value[:, :, near], hidden, **options)
        elif view.window is None:
            attended = full_attention(query, key, value, view.hidden, **options)
        else:
            attended = local_attention(
                query, key, value, view.attention_mask, view.hidden, window=view.window, **options
            )
        return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, self.num_heads * self.head_size))


class RotaryEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Embeddings, blocks and, where these normalise before their layers, a last norm."""

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size, self.head_size, self.sights = config.hidden_size, config.head_size, config.sights
        self.embeddings = Embeddings(config, dropouts, name="embeddings")
        self.blocks = [
            Block(config, dropouts, first=index == 0, name=f"block_{index}") for index in range(config.num_layers)
        ]
        self.final_norm = norm_layer(config, "final_norm") if config.pre_norm else None

    def build(self, input_shape: Any = None) -> None:
        self.embeddings.build()
        for block in self.blocks:
            block.build()
        if self.final_norm is not None:
            self.final_norm.build((None, self.hidden_size))

    def call(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        training: bool = False,
        first_token: bool = False,
    ) -> Any:
        """Encode a batch of rows, as `glueft.Encoder.build_encoder` says.

        With `first_token`, the last block leaves out what only the other tokens' states need.
        """
        states = self.embeddings(input_ids, token_type_ids, training=training)
        views = self._views(attention_mask, states.dtype)
        batch = ops.shape(input_ids)[0]
        states = ops.reshape(states, (-1, self.hidden_size))
        *before, last = zip(self.blocks, self.sights, strict=True)
        for block, sight in before:
            states = block(states, view=views[sight], training=training)
        block, sight = last
        states = block(states, view=views[sight], training=training, first_token=first_token)
        if self.final_norm is not None:
            states = self.final_norm(states)
        return ops.reshape(states, (batch, -1, self.hidden_size))

    def _views(self, attention_mask: Any, dtype: Any) -> dict[Sight, View]:
        length = ops.shape(attention_mask)[1]
        views = {}
        for sight in dict.fromkeys(self.sights):
            if sight.window is None:
                hidden = hidden_padding(attention_mask, dtype)
            else:
                hidden = hidden_far_tokens(attention_mask, sight.window, dtype)
            rotations = Rotations(sight.theta, self.head_size, length)
            views[sight] = View(rotations, attention_mask, hidden, sight.window)
        return views


class Head(keras.layers.Layer):  # type: ignore[misc]
    """Dense, activation, norm where the family has it, dropout, one float32 logit a label.

    Of the first token's state, of the mean of all, or of each, and then the mean of the logits.
    """

    def __init__(self, config: RotaryConfig, outputs: int, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size, self.pooling = config.hidden_size, config.pooling
        self.first_token = config.pooling == "first"
        self.dense = dense_layer(
            config.hidden_size, "dense", activation=ACTIVATIONS[config.head_activation], use_bias=config.head_bias
        )
        self.norm = norm_layer(config, "norm") if config.head_norm else None
        self.dropout = dropouts(config.head_dropout)
        self.output_dense = dense_layer(outputs, "output", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.dense, self.norm, self.output_dense):
            if layer is not None:
                layer.build((None, self.hidden_size))

    def call(self, states: Any, attention_mask: Any, training: bool = False) -> Any:
        """Map hidden states (batch, length, hidden) to logits (batch, outputs)."""
        if self.pooling == "each":
            return mean_of_tokens(self._logits(states, training), attention_mask)
        state = states[:, 0, :] if self.first_token else mean_of_tokens(states, attention_mask)
        return self._logits(state, training)

    def _logits(self, states: Any, training: bool) -> Any:
        states = self.dense(states)
        if self.norm is not None:
            states = self.norm(states)
        if self.dropout is not None:
            states = self.dropout(states, training=training)
        return self.output_dense(states)


def mean_of_tokens(values: Any, attention_mask: Any) -> Any:
    """The mean of the tokens' values, (batch, size), summed in float32; zeros for a row without tokens."""
    mask = ops.cast(attention_mask, "float32")[:, :, None]
    total = ops.sum(ops.cast(values, "float32") * mask, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(mask, axis=1), 1.0), values.dtype)
