"""What the layers of every encoder family are made of: stock Keras layers and `keras.ops`.

So they run on every Keras backend, with dynamic shapes and under XLA.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from glueft.encoder.dense import Dense
from glueft.encoder.dropout import ByteDropout
from glueft.encoder.fused_ops import use_fused_ops

# Added to the attention scores of padding. exp(-3e4) is 0 in float32, and -3e4 plus a score is finite in float16.
MASKED = -3e4


def dense_layer(units: int, name: str, **options: Any) -> Dense:
    """A dense layer of zeros: every weight is set when a checkpoint is loaded, and drawing numbers costs time."""
    return Dense(units, kernel_initializer="zeros", name=name, **options)


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


class LayerNorm(keras.layers.LayerNormalization):  # type: ignore[misc]
    """`keras.layers.LayerNormalization` over the last axis, with half of TensorFlow's passes over memory.

    The variables and the numbers are the same. With `center=False` there is no `beta`.
    """

    def call(self, inputs: Any) -> Any:
        """Return the normalised inputs, in their own shape and dtype."""
        if not use_fused_ops(inputs):
            return super().call(inputs)
        import tensorflow as tf

        from glueft.encoder.tensorflow_ops import layer_norm

        beta = None if self.beta is None else tf.convert_to_tensor(self.beta.value)
        return layer_norm(inputs, tf.convert_to_tensor(self.gamma.value), beta, self.epsilon)


def attention_mask_bias(attention_mask: Any, dtype: Any) -> Any:
    """Return what is added to the attention scores, (batch, 1, 1, length): 0 for tokens, `MASKED` for padding."""
    bias = ops.cast(ops.logical_not(ops.cast(attention_mask, "bool")), dtype) * MASKED
    return bias[:, None, None, :]


def attention(
    query: Any, key: Any, value: Any, bias: Any, *, dropout: ByteDropout | None = None, training: bool = False
) -> Any:
    """Scaled dot-product attention (Vaswani et al., 2017), with dropout of the weights.

    Args:
        query: (batch, heads, queries, size).
        key: (batch, heads, length, size).
        value: (batch, heads, length, size).
        bias: added to the scores (batch, heads, queries, length); any shape that is broadcast to theirs.
        dropout: of the attention weights.
        training: whether dropout is applied.

    Returns:
        (batch, queries, heads, size).
    """
    # Scaling the query costs less than scaling the scores, and is the same.
    scores = ops.matmul(query * (query.shape[-1] ** -0.5), ops.transpose(key, (0, 1, 3, 2))) + bias
    return attend(scores, value, dropout=dropout, training=training)


def attend(scores: Any, value: Any, *, dropout: ByteDropout | None = None, training: bool = False) -> Any:
    """The last step of attention, for scores (batch, heads, queries, length); all else as in `attention`."""
    weights = ops.softmax(scores, axis=-1)
    if dropout is not None:
        weights = dropout(weights, training=training)
    return ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))


def diagonals(products: Any, length: Any, start: Any) -> Any:
    """Shift each row to the left by one more than the row above: products by distance become scores by key.

    A gather would do the same, and take an index for each score.

    Args:
        products: (batch, heads, length, 2 * length), of which row i has query i's at each distance.
        length: of the rows.
        start: the column of row 0 that becomes its first.

    Returns:
        (batch, heads, length, length), where [i, j] is [i, start - i + j] of the products.
    """
    batch, heads = ops.shape(products)[:2]
    if use_fused_ops(products):
        from glueft.encoder.tensorflow_ops import shifted_rows

        return ops.reshape(shifted_rows(products, start), (batch, heads, length, length))
    # That is element start + i * (2 * length - 1) + j of the rows laid end to end.
    flat = ops.reshape(products, (batch, heads, 2 * length * length))
    flat = flat[..., start : start + length * (2 * length - 1)]
    return ops.reshape(flat, (batch, heads, length, 2 * length - 1))[..., :length]
