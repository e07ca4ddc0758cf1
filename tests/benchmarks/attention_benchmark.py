"""glueft's attention beside fused ones, on JAX: seconds, memory and exactness; prints one JSON object.

    KERAS_BACKEND=jax python tests/benchmarks/attention_benchmark.py [--dtype bfloat16] [--lengths 32 128 512]

Without dropout of the attention weights, which the fused ones do not have. Each has a forward pass, and one with
gradients. The exact result is glueft's own in float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from rounds import in_turn, timed

from glueft.encoder.layers import attention, attention_mask_bias

REPEATS = 5


def variants(on_gpu: bool) -> dict[str, Callable[..., Any]]:
    """Return functions of query, key, value (batch, heads, length, size) and mask (batch, length)."""

    def own(query: Any, key: Any, value: Any, mask: Any) -> Any:
        return attention(query, key, value, attention_mask_bias(mask, query.dtype))

    def by(function: Callable[..., Any], query: Any, key: Any, value: Any, mask: Any) -> Any:
        """They take (batch, length, heads, size)."""
        return function(*(jnp.swapaxes(x, 1, 2) for x in (query, key, value)), mask=mask[:, None, None, :].astype(bool))

    attend = jax.nn.dot_product_attention
    found = {"glueft": own, "keras": keras.ops.dot_product_attention, "jax_xla": partial(attend, implementation="xla")}
    if on_gpu:
        found["jax_cudnn"] = partial(attend, implementation="cudnn")
    return {name: own if name == "glueft" else partial(by, function) for name, function in found.items()}


def measure(rows: int, length: int, heads: int, size: int, dtype: str, rounds: int) -> list[dict[str, Any]]:
    """Return an entry for each variant on batches whose rows are as long as the batch down to half of it."""
    random = np.random.default_rng(0)
    exact = [jnp.asarray(random.normal(size=(rows, heads, length, size)), jnp.float32) for _ in range(3)]
    mask = jnp.asarray(np.arange(length) < np.linspace(length, length // 2, rows)[:, None], jnp.int32)
    given = [x.astype(dtype) for x in exact]
    found = variants(jax.devices()[0].platform == "gpu")
    reference = np.asarray(found["glueft"](*exact, mask), np.float32)
    entries, work = {}, {}
    for name, function in found.items():

        def loss(query: Any, key: Any, value: Any, mask: Any, function: Any = function) -> Any:
            return jnp.sum(function(query, key, value, mask).astype("float32") ** 2)

        entries[name] = {"variant": name, "rows": rows, "length": length, "heads": heads, "size": size, "dtype": dtype}
        try:
            forward = jax.jit(function).lower(*given, mask).compile()
            gradients = jax.jit(jax.grad(loss, (0, 1, 2))).lower(*given, mask).compile()
            error = np.abs(np.asarray(forward(*given, mask), np.float32) - reference).max()
        except Exception as fault:  # cuDNN refuses sizes and versions, each with an error of its own
            entries[name]["error"] = f"{type(fault).__name__}: {fault}"[:300]
            continue
        entries[name] |= {"error_at_most": float(f"{error:.3g}")}
        for kind, program in (("forward", forward), ("gradients", gradients)):
            entries[name][f"{kind}_temporary_bytes"] = program.memory_analysis().temp_size_in_bytes
            work[name, kind] = timed(partial(repeated, program, (*given, mask)))
    for (name, kind), seconds in in_turn(work, rounds).items():
        entries[name][f"{kind}_ms"] = float(f"{np.median(seconds) / REPEATS * 1e3:.4g}")
    return [*entries.values()]


def repeated(program: Any, arguments: Sequence[Any]) -> None:
    """Run a program a few times, and wait for it."""
    jax.block_until_ready([program(*arguments) for _ in range(REPEATS)])


def main() -> None:
    """Measure every length, and print the entries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=64, help="of a head")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sizes = (options.heads, options.size, options.dtype, options.rounds)
    print(json.dumps([entry for length in options.lengths for entry in measure(options.rows, length, *sizes)]))


if __name__ == "__main__":
    main()
