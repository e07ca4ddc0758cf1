"""Dense layers whose matrix products may take bfloat16, while all else of a step stays in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

_in_bfloat16 = ContextVar("in_bfloat16", default=False)


@contextmanager
def products_in_bfloat16() -> Iterator[None]:
    """Build dense layers whose products take bfloat16; on TensorFlow and JAX.

    Keras's own mixed_bfloat16 keeps the states between the layers in bfloat16 as well. That is for GPUs: processors
    multiply bfloat16 alone, and convert it for all else (tests/benchmarks/NOTES.md).
    """
    token = _in_bfloat16.set(True)
    try:
        yield
    finally:
        _in_bfloat16.reset(token)


class Dense(keras.layers.Dense):  # type: ignore[misc]
    """`keras.layers.Dense`; inputs, weights, outputs and gradients of a float32 layer are float32 in any case.

    Attributes:
        in_bfloat16: whether inputs, kernel and upstream gradient are rounded to bfloat16 for the products. Sums are
            in float32. A layer that asks for a dtype of its own stays in it.
    """

    def __init__(self, units: int, *, dtype: Any = None, **options: Any) -> None:
        super().__init__(units, dtype=dtype, **options)
        self.in_bfloat16 = _in_bfloat16.get() and dtype is None and self.compute_dtype == "float32"

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Map inputs (..., size) to (..., units)."""
        if not self.in_bfloat16:
            return super().call(inputs, training)
        rows = ops.reshape(inputs, (-1, self.kernel.shape[0])) if len(inputs.shape) > 2 else inputs
        if keras.backend.backend() == "jax":
            from glueft.encoder.jax_ops import bfloat16_dense
        else:
            from glueft.encoder.tensorflow_ops import bfloat16_dense
        outputs = bfloat16_dense(rows, self.kernel, self.bias)
        if len(inputs.shape) > 2:
            outputs = ops.reshape(outputs, (*ops.shape(inputs)[:-1], self.units))
        return outputs if self.activation is None else self.activation(outputs)
