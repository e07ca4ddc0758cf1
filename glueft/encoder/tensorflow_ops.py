"""Products in bfloat16, GELU, layer normalisation and shifts for TensorFlow without XLA, with their own gradients.

TensorFlow differentiates operation by operation, each a pass over memory; these gradients need about half the passes.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

# Two models that are traced at once, in two threads, would take each other's gradients for their own.
_TRACING = threading.RLock()


@contextmanager
def graph_keeps_gradients() -> Iterator[None]:
    """Trace a step, and let go of the gradients of `tf.custom_gradient` in it when its graph is let go.

    TensorFlow keeps each of them for ever, in a table of its own, and with it the graph and all variables of the model:
    each model that has computed would stay in memory. It has no public way to take one back. Where a version of
    TensorFlow has another table than this one, they stay.
    """
    if tf.executing_eagerly():  # No gradient gets into the table.
        yield
        return
    with _TRACING:
        entries = _registered_gradients()
        before = set(entries)
        try:
            yield
        finally:
            graph, kept = tf.compat.v1.get_default_graph(), []
            for name in set(entries) - before:
                if name.startswith("CustomGradient-") and "type" in entries[name]:
                    kept.append(entries[name]["type"])
                    entries[name]["type"] = _Weak(kept[-1])
                    weakref.finalize(graph, entries.pop, name, None).atexit = False
            graph._glueft_gradients = [*getattr(graph, "_glueft_gradients", ()), *kept]


def _registered_gradients() -> dict[str, dict[str, Any]]:
    """TensorFlow's own table of gradients by name; an empty one where this version has no such table."""
    try:
        from tensorflow.python.framework.ops import gradient_registry

        entries: dict[str, dict[str, Any]] = gradient_registry._registry
    except (AttributeError, ImportError):
        return {}
    return entries if isinstance(entries, dict) else {}


class _Weak:
    """A gradient as long as its graph is there, which is as long as somebody asks for it."""

    def __init__(self, gradient: Any) -> None:
        self.gradient = weakref.ref(gradient)

    def __call__(self, operation: Any, *upstream: Any) -> Any:
        gradient = self.gradient()
        assert gradient is not None, "the graph that keeps the gradient is gone"
        return gradient(operation, *upstream)


def gelu(x: Any) -> Any:
    """The exact GELU, x * Phi(x), in the dtype of `x`. Its derivative is Phi(x) + x * phi(x)."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(x: Any) -> Any:
        cdf = tf.math.erf(x * math.sqrt(0.5)) * 0.5 + 0.5

        def gradient(upstream: Any) -> Any:
            return upstream * (cdf + x * (tf.exp(tf.square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))))

        return x * cdf, gradient

    return function(x)


def layer_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Normalise over the last axis.

    The backward pass is the one of Ba et al., 2016, arXiv:1607.06450: with `g = upstream * gamma` and the normalised
    input `n`, it is `(g - mean(g) - n * mean(g * n)) / std`. Sums are matrix products with a vector, which are quicker.

    Args:
        x: (..., size).
        gamma: scale (size,).
        beta: shift (size,), or None.
        epsilon: added to the variance.
    """
    size = gamma.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(x: Any, gamma: Any, *beta: Any) -> Any:
        shape = tf.shape(x)
        rows = tf.reshape(x, (-1, size))
        mean = tf.fill((size, 1), tf.cast(1 / size, x.dtype))
        centred = rows - tf.matmul(rows, mean)
        inverse_std = tf.math.rsqrt(tf.matmul(tf.square(centred), mean) + epsilon)
        normalised = centred * inverse_std

        def gradient(upstream: Any) -> Any:
            upstream = tf.reshape(upstream, (-1, size))
            product = upstream * normalised
            ones = tf.ones((1, tf.shape(upstream)[0]), upstream.dtype)
            scaled_mean = gamma[:, None] * mean
            inputs = upstream * gamma - tf.matmul(upstream, scaled_mean) - normalised * tf.matmul(product, scaled_mean)
            return (
                tf.reshape(inputs * inverse_std, shape),
                tf.reshape(tf.matmul(ones, product), (size,)),
                *(tf.reshape(tf.matmul(ones, upstream), (size,)) for _ in beta),
            )

        return tf.reshape(sum(beta, normalised * gamma), shape), gradient

    return function(x, gamma) if beta is None else function(x, gamma, beta)


def bfloat16_dense(x: Any, kernel: Any, bias: Any) -> Any:
    """The product of x (rows, inputs) and kernel (inputs, units) plus a bias (units,) or None, all float32.

    For the products their operands are rounded to bfloat16. TensorFlow sums in float32 and hands over bfloat16.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: Any, kernel: Any) -> Any:
        rounded, rounded_kernel = tf.cast(x, tf.bfloat16), tf.cast(kernel, tf.bfloat16)

        def gradient(upstream: Any) -> Any:
            upstream = tf.cast(upstream, tf.bfloat16)
            inputs = tf.matmul(upstream, rounded_kernel, transpose_b=True)
            return tf.cast(inputs, x.dtype), tf.cast(tf.matmul(rounded, upstream, transpose_a=True), kernel.dtype)

        return tf.cast(tf.matmul(rounded, rounded_kernel), x.dtype), gradient

    # A variable would be watched beside the custom gradient.
    outputs = product(x, tf.convert_to_tensor(kernel))
    # The bias is added in float32: with oneDNN's product in one operation it took no less time.
    return outputs if bias is None else tf.nn.bias_add(outputs, tf.convert_to_tensor(bias))


def shifted_rows(x: Any, start: Any) -> Any:
    """As `layers.diagonals`, from (..., length, 2 * length) to (rows, length).

    The gradient is laid together; TensorFlow's of a slice is padded, which takes ten times as long.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(x: Any) -> Any:
        shape = tf.shape(x)
        length = shape[-2]
        size = length * (2 * length - 1)
        flat = tf.reshape(x, (-1, 2 * length * length))[:, start : start + size]

        def gradient(upstream: Any) -> Any:
            zeros = tf.zeros((tf.shape(upstream)[0], length - 1), upstream.dtype)
            flat = tf.reshape(tf.concat([upstream, zeros], axis=1), (-1, size))
            before, after = (tf.zeros((tf.shape(flat)[0], count), flat.dtype) for count in (start, length - start))
            return tf.reshape(tf.concat([before, flat, after], axis=1), shape)

        return tf.reshape(flat, (-1, 2 * length - 1))[:, :length], gradient

    return function(x)
