"""Dropout that draws one byte an element, where Keras's own draws a float: a float is most of its cost on a CPU."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class ByteDropout(keras.layers.Layer):  # type: ignore[misc]
    """Sets elements to 0 with a probability of `rate`, to the nearest 256th, and scales the others up to match.

    The scale belongs to the probability in use, so the mean of an element is kept exactly; 0.1 becomes 26/256 = 0.1016.

    Args:
        rate: above 0 and below 1.
        seed: of the masks.
    """

    def __init__(self, rate: float, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = min(max(round(rate * 256), 1), 255)
        self.scale = 256 / (256 - self.threshold)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs, or in training a masked and scaled copy of the same shape and dtype."""
        if not training:
            return inputs
        kept = random_bytes(inputs, self.seed_generator) >= self.threshold
        return inputs * (ops.cast(kept, inputs.dtype) * self.scale)


def random_bytes(like: Any, seed_generator: keras.random.SeedGenerator) -> Any:
    """Return whole numbers from 0 to 255, independent and all equally likely, in the shape of a tensor."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # Four bytes from each number that the generator makes.
        count = tf.size(like)
        words = tf.random.stateless_uniform(
            [(count + 3) // 4], tf.cast(seed_generator.next(), tf.int32), minval=None, maxval=None, dtype=tf.uint32
        )
        return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:count], tf.shape(like))
    if backend == "jax":
        import jax

        return jax.random.bits(seed_generator.next(), like.shape, "uint8")
    return keras.random.randint(ops.shape(like), 0, 256, seed=seed_generator)
