"""Train steps of one shape on JAX: within `fit`, and the compiled step alone; prints one JSON object.

    KERAS_BACKEND=jax python tests/benchmarks/device_steps.py --checkpoint FOLDER [--precision mixed_bfloat16]
        [--shapes 8x64 32x32] [--stacked 8] [--steps 50] [--matrix 8192]

What `fit` takes beyond the step alone is the host's. `waiting` reads the loss after every step, so that the device
is idle while the host prepares the next one. `stacked` are the steps of so many runs in one program, by `jax.vmap` over
their variables and batches; its milliseconds are those of one step of all.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
from classifier import load_tokenizer_of, rows_of_one_width
from flops import training_flops
from generated_rows import question_pairs
from result import significant
from rounds import timed

from glueft import load_recipe
from glueft.data.batches import Filling, TrainingBatches
from glueft.data.encoding import encode
from glueft.encoder.checkpoint import find_checkpoint
from glueft.training.feed import feed
from glueft.training.session import Session


def load(checkpoint: str, precision: str) -> Session:
    """Return a session whose model is compiled as a run's."""
    sets = ['data.source="sample"', f'model.checkpoint="{checkpoint}"', f'engine.precision="{precision}"']
    tokenizer = load_tokenizer_of(checkpoint)
    rows = {split: question_pairs(tokenizer, 200) for split in ("train", "validation")}
    encoded = {split: encode(part, tokenizer, 128) for split, part in rows.items()}
    session = Session(load_recipe("mrpc", sets), find_checkpoint(checkpoint), tokenizer, rows, encoded)
    session.load()
    return session


def measure(session: Session, rows: int, length: int, steps: int, stacked: int | None) -> dict[str, Any]:
    """Return milliseconds a step of one shape."""
    model = session.model
    model.rows_at_once = rows
    batches = TrainingBatches(
        rows_of_one_width(session.encoded["train"], rows * steps, length), batch_size=rows, epochs=1, seed=0
    )
    batches.filling = Filling(1, rows, rows)

    def fit() -> None:
        with feed(batches) as fed:
            model.fit(fed, steps_per_epoch=steps, shuffle=False, verbose=0)

    first = timed(fit)()
    seconds = {"fit": timed(fit)()}
    kinds = dict.fromkeys(
        ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables"), True
    )
    state = jax.tree.map(jnp.copy, model._get_jax_state(**kinds))
    batch = jax.device_put(next(iter(batches)))
    step = jax.jit(model.train_step, donate_argnums=0).lower(state, batch).compile()
    for kind in ("alone", "waiting"):
        seconds[kind], state = repeated(step, state, batch, steps, waiting=kind == "waiting")
    flops = training_flops(model.config, rows, length, 2)
    work = dict.fromkeys(seconds, flops)
    if stacked:
        state, batch = (jax.tree.map(lambda array: jnp.stack([array] * stacked), tree) for tree in (state, batch))
        together = jax.jit(jax.vmap(model.train_step), donate_argnums=0).lower(state, batch).compile()
        _, state = repeated(together, state, batch, 2)
        seconds["stacked"], state = repeated(together, state, batch, steps)
        work["stacked"] = stacked * flops
    return {
        "rows": rows,
        "length": length,
        "first_seconds": round(first - seconds["fit"], 2),
        "ms": {kind: significant(total / steps * 1e3) for kind, total in seconds.items()},
        "tflops": {kind: significant(work[kind] * steps / total / 1e12) for kind, total in seconds.items()},
        "temporary_bytes": step.memory_analysis().temp_size_in_bytes,
    }


def repeated(step: Any, state: Any, batch: Any, steps: int, *, waiting: bool = False) -> tuple[float, Any]:
    """Make so many steps; return their seconds, and the state after them."""
    begin = time.perf_counter()
    for _ in range(steps):
        logs, state = step(state, batch)
        if waiting:
            float(logs["loss"])
    jax.block_until_ready(state)
    return time.perf_counter() - begin, state


def product_tflops(size: int, dtype: str) -> float:
    """Return the rate of a product of two square matrices."""
    left = jax.random.normal(jax.random.key(0), (size, size)).astype(dtype)
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(left, left))
    seconds = min(timed(lambda: jax.block_until_ready(product(left, left)))() for _ in range(10))
    return round(2 * size**3 / seconds / 1e12, 2)


def main() -> None:
    """Measure every shape, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--shapes", nargs="*", default=["8x64"], help="rows x length")
    parser.add_argument("--stacked", type=int, help="runs")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--matrix", type=int, default=8192)
    options = parser.parse_args()
    dtype = "float32" if options.precision == "float32" else "bfloat16"
    # Loaded before JAX computes: XLA reads its flags then.
    session = load(options.checkpoint, options.precision) if options.shapes else None
    result: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        "product_tflops": product_tflops(options.matrix, dtype),
    }
    if session is not None:
        shapes = [tuple(int(number) for number in shape.split("x")) for shape in options.shapes]
        result["steps"] = [measure(session, *shape, options.steps, options.stacked) for shape in shapes]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
