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
    return keras.ops.gelu(x, approximate=False)


def gelu_tanh(x: Any) -> Any:
    """The tanh approximation of Google's BERT: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    from keras import ops

    return ops.gelu(x, approximate=True)


def quick_gelu(x: Any) -> Any:
    """The sigmoid approximation: x * sigmoid(1.702 x)."""
    from keras import ops

    return x * ops.sigmoid(1.702 * x)


def squared_relu(x: Any) -> Any:
    """relu(x)^2 (So et al., arXiv:2109.08668)."""
    from keras import ops

    return ops.square(ops.relu(x))


def mish(x: Any) -> Any:
    """x * tanh(softplus(x)) (Misra, arXiv:1908.08681)."""
    from keras import ops

    return x * ops.tanh(ops.softplus(x))


def identity(x: Any) -> Any:
    return x


def _named(name: str) -> Activation:
    def activation(x: Any) -> Any:
        from keras import ops

        return getattr(ops, name)(x)

    activation.__name__ = name
    return activation


# gelu_fast and gelu_accurate write the same tanh approximation in another order.
ACTIVATIONS: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu_python_tanh": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_accurate": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": _named("relu"),
    "relu2": squared_relu,
    "relu6": _named("relu6"),
    "silu": _named("silu"),
    "swish": _named("silu"),
    "tanh": _named("tanh"),
    "sigmoid": _named("sigmoid"),
    "mish": mish,
    "linear": identity,
}
