"""Dropout from one random byte an element. Keras's draws a float, which is most of its cost on a CPU."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from glueft.encoder.fused_ops import step_is_compiled


class ByteDropout(keras.layers.Layer):  # type: ignore[misc]
    """Sets elements to 0 with a probability of `rate`, to the nearest 256th, and scales the others up.

    0.1 becomes 26/256 = 0.1016. The scale is that of the probability in use, so that the mean is kept exactly.
    """

    def __init__(self, rate: float, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = min(max(round(rate * 256), 1), 255)
        self.scale = 256 / (256 - self.threshold)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        kept = random_bytes(inputs, self.seed_generator) >= self.threshold
        return inputs * (ops.cast(kept, inputs.dtype) * self.scale)


def random_bytes(like: Any, seed_generator: keras.random.SeedGenerator) -> Any:
    """Independent, uniform integers from 0 to 255 in the shape of a tensor."""
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
    """Bytes in the shape of a tensor: a hash of each element's index and the seed, two uint32.

    A compiler fuses these few integer operations with the dropout itself; its own generators (Philox, Threefry) take
    longer on a CPU than all else in a block. `mixed` is a bijection, applied twice with a key each time.
    """
    shape = ops.shape(like)
    first, second = ops.unstack(ops.cast(seed, "uint32"), 2)
    first = mixed(mixed(first) + second)
    second = mixed(first + word(0x9E3779B9))
    number = ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32")
    number = mixed(mixed(ops.bitwise_xor(number, first)) + second)
    return ops.reshape(ops.right_shift(number, word(24)), shape)


def mixed(x: Any) -> Any:
    """A hash of uint32 numbers: "lowbias32" (Wellons, 2018, "Prospecting for Hash Functions"), public domain."""
    x = ops.bitwise_xor(x, ops.right_shift(x, word(16))) * word(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, word(15))) * word(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, word(16)))


def word(number: int) -> Any:
    return ops.convert_to_tensor(number, "uint32")
