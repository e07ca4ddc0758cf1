"""Train steps of one shape on JAX: within `fit`, and the compiled step alone; prints one JSON object.

    KERAS_BACKEND=jax python tests/benchmarks/device_steps.py --checkpoint FOLDER [--precision mixed_bfloat16]
        [--shapes 8x64 32x32] [--steps 50] [--matrix 8192]

What `fit` takes beyond the step alone is the host's. `waiting` reads the loss after every step, so that the device
is idle while the host prepares the next one.
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
from rounds import timed

from glueft import load_recipe
from glueft.data.batches import TrainingBatches
from glueft.data.encoding import encode
from glueft.encoder.checkpoint import find_checkpoint
from glueft.training import engine
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


def measure(session: Session, rows: int, length: int, steps: int) -> dict[str, Any]:
    """Return milliseconds a step of one shape."""
    model = session.model
    batches = TrainingBatches(
        rows_of_one_width(session.encoded["train"], rows * steps, length), batch_size=rows, epochs=1, seed=0
    )

    def fit() -> None:
        model.fit(engine.feed(batches), steps_per_epoch=steps, shuffle=False, verbose=0)

    first = timed(fit)()
    seconds = {"fit": timed(fit)()}
    kinds = dict.fromkeys(
        ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables"), True
    )
    state = jax.tree.map(jnp.copy, model._get_jax_state(**kinds))
    inputs, labels, *_ = jax.device_put(next(iter(batches)))
    begin = time.perf_counter()
    step = jax.jit(model.train_step, donate_argnums=0).lower(state, (inputs, labels, None)).compile()
    compiled = time.perf_counter() - begin
    for kind in ("alone", "waiting"):
        begin = time.perf_counter()
        for _ in range(steps):
            logs, state = step(state, (inputs, labels, None))
            if kind == "waiting":
                float(logs["loss"])
        jax.block_until_ready(state)
        seconds[kind] = time.perf_counter() - begin
    flops = training_flops(model.config, rows, length, 2)
    return {
        "rows": rows,
        "length": length,
        "first_seconds": round(first - seconds["fit"], 2),
        "compile_seconds": round(compiled, 2),
        "ms": {kind: round(total / steps * 1e3, 3) for kind, total in seconds.items()},
        "tflops": {kind: round(flops * steps / total / 1e12, 3) for kind, total in seconds.items()},
        "temporary_bytes": step.memory_analysis().temp_size_in_bytes,
    }


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
        result["steps"] = [measure(session, *shape, options.steps) for shape in shapes]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
