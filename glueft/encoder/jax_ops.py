"""GELU for JAX with its own gradient."""

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
