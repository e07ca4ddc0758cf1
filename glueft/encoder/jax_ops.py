"""GELU and products in bfloat16 for JAX, with their own gradients."""

from __future__ import annotations

import math
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp


@jax.custom_vjp  # type: ignore[untyped-decorator]
def gelu(x: Any) -> Any:
    """The exact GELU, x * Phi(x), in the dtype of `x`, computed in float32.

    JAX's own takes Phi from the complementary error function, which XLA computes in both of its ranges, for every
    element, and keeps for the gradient. Here the gradient keeps `x` alone.
    """
    return _gelu(x)[0]


def _gelu(x: Any) -> tuple[Any, Any]:
    wide = x.astype(jnp.float32)
    return (wide * _cdf(wide)).astype(x.dtype), x


def _cdf(x: Any) -> Any:
    return lax.erf(x * math.sqrt(0.5)) * 0.5 + 0.5


def _gradient(x: Any, upstream: Any) -> tuple[Any]:
    """The derivative is Phi(x) + x * phi(x)."""
    wide = x.astype(jnp.float32)
    density = jnp.exp(jnp.square(wide) * -0.5) * (1 / math.sqrt(2 * math.pi))
    return ((upstream * (_cdf(wide) + wide * density)).astype(x.dtype),)


gelu.defvjp(_gelu, _gradient)


def bfloat16_dense(x: Any, kernel: Any, bias: Any) -> Any:
    """The product of x (rows, inputs) and kernel (inputs, units) plus a bias (units,) or None, all float32.

    For the products their operands are rounded to bfloat16; sums and results are float32.
    """
    product = _bfloat16_product(x, jnp.asarray(kernel))
    return product if bias is None else product + jnp.asarray(bias)


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _bfloat16_product(x: Any, kernel: Any) -> Any:
    return _product(x, kernel)[0]


def _product(x: Any, kernel: Any) -> Any:
    rounded = x.astype(jnp.bfloat16)
    return _dot(rounded, kernel.astype(jnp.bfloat16), 0), (rounded, kernel)


def _product_gradient(kept: Any, upstream: Any) -> Any:
    rounded, kernel = kept
    upstream = upstream.astype(jnp.bfloat16)
    return _dot(upstream, kernel.astype(jnp.bfloat16), 1), _dot(_transposed(rounded), upstream, 0)


def _dot(left: Any, right: Any, axis: int) -> Any:
    """Contract the columns of `left` with an axis of `right`, both bfloat16; sums and result are float32."""
    return lax.dot_general(left, right, (((1,), (axis,)), ((), ())), preferred_element_type=jnp.float32)


def _transposed(x: Any) -> Any:
    """The transpose of a matrix, by way of three axes where its rows can be parted.

    XLA folds a plain transpose into the product, and on a CPU then takes a product of rows with rows, for which it
    has no kernel in bfloat16: the operands would be converted back, at seven times the time (XLA of JAX 0.10.2).
    """
    rows, columns = x.shape
    parts = next((parts for parts in (8, 7, 6, 5, 4, 3, 2) if rows % parts == 0 and rows > parts), 1)
    return x.reshape(parts, rows // parts, columns).transpose(2, 0, 1).reshape(columns, rows)


_bfloat16_product.defvjp(_product, _product_gradient)
