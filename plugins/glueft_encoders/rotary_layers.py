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


def norm_layer(config: RotaryConfig, name: str) -> LayerNorm:
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
    """Word embeddings, normalised."""

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size
        self.word_embeddings = WordEmbeddings(
            config.vocab_size, config.hidden_size, embeddings_initializer="zeros", name="word_embeddings"
        )
        self.embeddings_norm = norm_layer(config, "norm")
        self.dropout = dropouts(config.embedding_dropout)

    def build(self, input_shape: Any = None) -> None:
        self.word_embeddings.build((None, None))
        self.embeddings_norm.build((None, None, self.hidden_size))

    def call(self, input_ids: Any, training: bool = False) -> Any:
        """Map ids (batch, length) to states (batch, length, hidden_size)."""
        states = self.embeddings_norm(self.word_embeddings(input_ids))
        return states if self.dropout is None else self.dropout(states, training=training)


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention and a gated feed-forward layer, each of normalised states and added to the states.

    Args:
        first: the embeddings below are normalised already: there is no norm before the attention.
    """

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], *, first: bool, **options: Any) -> None:
        super().__init__(**options)
        size = config.hidden_size
        self.hidden_size = size
        self.intermediate_size = config.intermediate_size
        self.num_heads, self.head_size = config.num_heads, config.head_size
        self.attention_norm = None if first else norm_layer(config, "attention_norm")
        self.query_key_value = dense_layer(3 * size, "query_key_value", use_bias=config.attention_bias)
        self.attention_dropout = dropouts(config.attention_dropout)
        self.projection = dense_layer(size, "projection", use_bias=config.attention_bias)
        self.projection_dropout = dropouts(config.projection_dropout)
        self.feed_forward_norm = norm_layer(config, "feed_forward_norm")
        # What goes through the activation, and what it is multiplied by, side by side in the columns.
        self.gates = dense_layer(2 * config.intermediate_size, "gates", use_bias=config.feed_forward_bias)
        self.activation = ACTIVATIONS[config.activation]
        self.gate_dropout = dropouts(config.gate_dropout)
        self.output_dense = dense_layer(size, "output", use_bias=config.feed_forward_bias)

    def build(self, input_shape: Any = None) -> None:
        states = (None, self.hidden_size)
        for layer in (self.attention_norm, self.query_key_value, self.projection, self.feed_forward_norm, self.gates):
            if layer is not None:
                layer.build(states)
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
        normed = states if self.attention_norm is None else self.attention_norm(states)
        attended = self.projection(self._attend(normed, view, training, first_token))
        if self.projection_dropout is not None:
            attended = self.projection_dropout(attended, training=training)
        if first_token:
            states = ops.reshape(states, (*ops.shape(view.attention_mask), self.hidden_size))[:, 0]
        states = states + attended
        up, gate = ops.split(self.gates(self.feed_forward_norm(states)), 2, axis=-1)
        inner = self.activation(up) * gate
        if self.gate_dropout is not None:
            inner = self.gate_dropout(inner, training=training)
        return states + self.output_dense(inner)

    def _attend(self, states: Any, view: View, training: bool, first_token: bool) -> Any:
        batch, length = ops.shape(view.attention_mask)
        parts = ops.reshape(self.query_key_value(states), (batch, length, 3 * self.num_heads, self.head_size))
        turned, value = ops.split(ops.transpose(parts, (0, 2, 1, 3)), [2 * self.num_heads], axis=1)
        query, key = ops.split(view.rotations(turned), 2, axis=1)
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
        return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, self.hidden_size))


class RotaryEncoder(keras.layers.Layer):  # type: ignore[misc]
    """Embeddings, blocks and a last norm."""

    def __init__(self, config: RotaryConfig, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size, self.head_size, self.sights = config.hidden_size, config.head_size, config.sights
        self.embeddings = Embeddings(config, dropouts, name="embeddings")
        self.blocks = [
            Block(config, dropouts, first=index == 0, name=f"block_{index}") for index in range(config.num_layers)
        ]
        self.final_norm = norm_layer(config, "final_norm")

    def build(self, input_shape: Any = None) -> None:
        self.embeddings.build()
        for block in self.blocks:
            block.build()
        self.final_norm.build((None, None, self.hidden_size))

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
        states = self.embeddings(input_ids, training=training)
        views = self._views(attention_mask, states.dtype)
        batch = ops.shape(input_ids)[0]
        states = ops.reshape(states, (-1, self.hidden_size))
        *before, last = zip(self.blocks, self.sights, strict=True)
        for block, sight in before:
            states = block(states, view=views[sight], training=training)
        block, sight = last
        states = block(states, view=views[sight], training=training, first_token=first_token)
        return ops.reshape(self.final_norm(states), (batch, -1, self.hidden_size))

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
    """First token or mean of the tokens, dense, activation, norm, dropout, one float32 logit a label."""

    def __init__(self, config: RotaryConfig, outputs: int, dropouts: Callable[[float], Any], **options: Any) -> None:
        super().__init__(**options)
        self.hidden_size = config.hidden_size
        self.first_token = config.pooling == "first"
        self.dense = dense_layer(
            config.hidden_size, "dense", activation=ACTIVATIONS[config.head_activation], use_bias=config.head_bias
        )
        self.norm = norm_layer(config, "norm")
        self.dropout = dropouts(config.head_dropout)
        self.output_dense = dense_layer(outputs, "output", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.dense, self.norm, self.output_dense):
            layer.build((None, self.hidden_size))

    def call(self, states: Any, attention_mask: Any, training: bool = False) -> Any:
        """Map hidden states (batch, length, hidden) to logits (batch, outputs)."""
        state = states[:, 0, :] if self.first_token else mean_state(states, attention_mask)
        state = self.norm(self.dense(state))
        if self.dropout is not None:
            state = self.dropout(state, training=training)
        return self.output_dense(state)


def mean_state(states: Any, attention_mask: Any) -> Any:
    """The mean of the tokens' states, (batch, hidden), summed in float32; zeros for a row without tokens."""
    mask = ops.cast(attention_mask, "float32")[:, :, None]
    total = ops.sum(ops.cast(states, "float32") * mask, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(mask, axis=1), 1.0), states.dtype)
