"""The activations that a config.json may name (transformers' ACT2FN). Keras is imported only when one is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Activation = Callable[[Any], Any]


def gelu(x: Any) -> Any:
    """x * Phi(x), exact (Hendrycks and Gimpel, arXiv:1606.08415)."""
    import keras

    from glueft.encoder.fused_ops import gradients_follow, use_fused_ops

    # Without a gradient, TensorFlow fuses the plain one with the matrix product before it.
    if use_fused_ops(x) and gradients_follow():
        from glueft.encoder.tensorflow_ops import gelu

        return gelu(x)
    if keras.backend.backend() == "jax":
        from glueft.encoder.jax_ops import gelu

        return gelu(x)
    return keras.ops.gelu(x, approximate=False)


def _of(function: Callable[[Any, Any], Any]) -> Activation:
    """An activation from a function of `keras.ops` and x."""

    def activation(x: Any) -> Any:
        from keras import ops

        return function(ops, x)

    return activation


# 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which transformers has in several orders of the same operations.
gelu_tanh = _of(lambda ops, x: ops.gelu(x, approximate=True))

ACTIVATIONS: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu_python_tanh": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_accurate": gelu_tanh,
    "quick_gelu": _of(lambda ops, x: x * ops.sigmoid(1.702 * x)),
    "relu": _of(lambda ops, x: ops.relu(x)),
    "relu2": _of(lambda ops, x: ops.square(ops.relu(x))),  # So et al., arXiv:2109.08668
    "relu6": _of(lambda ops, x: ops.relu6(x)),
    "silu": _of(lambda ops, x: ops.silu(x)),
    "swish": _of(lambda ops, x: ops.silu(x)),
    "tanh": _of(lambda ops, x: ops.tanh(x)),
    "sigmoid": _of(lambda ops, x: ops.sigmoid(x)),
    "mish": _of(lambda ops, x: x * ops.tanh(ops.softplus(x))),  # Misra, arXiv:1908.08681
    "linear": lambda x: x,
}
