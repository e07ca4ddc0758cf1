"""Dropout that draws one byte an element, where Keras's own draws a float: a float is most of its cost on a CPU."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from glueft.encoder.fused_ops import step_is_compiled


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
    if step_is_compiled():
        return hashed_bytes(like, seed_generator.next())
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Four bytes from each number that the generator makes.
        count = tf.size(like)
        words = tf.random.stateless_uniform(
            [(count + 3) // 4], tf.cast(seed_generator.next(), tf.int32), minval=None, maxval=None, dtype=tf.uint32
        )
        return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:count], tf.shape(like))
    return keras.random.randint(ops.shape(like), 0, 256, seed=seed_generator)


def hashed_bytes(like: Any, seed: Any) -> Any:
    """Return the bytes that a hash makes of each element's number and the seed, in the shape of a tensor.

    A compiler fuses these few operations on whole numbers with the dropout itself; its own generators (Philox,
    Threefry) take longer on a CPU than all else in a block. `mixed` is a bijection, applied twice with a key each time.

    Args:
        like: a tensor of the shape that is wanted.
        seed: two whole numbers (uint32), another pair for every call.
    """
    shape = ops.shape(like)
    first, second = ops.unstack(ops.cast(seed, "uint32"), 2)
    first = mixed(mixed(first) + second)
    second = mixed(first + word(0x9E3779B9))
    number = ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32")
    number = mixed(mixed(ops.bitwise_xor(number, first)) + second)
    return ops.reshape(ops.right_shift(number, word(24)), shape)


def mixed(x: Any) -> Any:
    """Return uint32 numbers in which every bit of `x` changes each bit with a probability of nearly one half.

    The constants are those of "lowbias32" (Wellons, 2018, "Prospecting for Hash Functions"), public domain.
    """
    x = ops.bitwise_xor(x, ops.right_shift(x, word(16))) * word(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, word(15))) * word(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, word(16)))


def word(number: int) -> Any:
    """Return a number as a uint32 tensor."""
    return ops.convert_to_tensor(number, "uint32")
