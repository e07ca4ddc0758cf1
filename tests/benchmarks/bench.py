"""The project's own micro-benchmarks, each against the floor below it: `make bench`.

    python tests/benchmarks/bench.py [--json] [--checkpoint CKPT] [--rounds N]

Needs no file but the sample encoder's, and no peer. Every line's work and floor are run in turn, several rounds, in
this one process; the table shows medians, and the smallest and largest ratio of a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT
from glueft.system.quiet import captured_stderr, hush_libraries

if TYPE_CHECKING:
    from result import Result


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        pairs: encoded.
        planned_rows: planned; as many as QQP has.
        training_pairs: whose words the model is trained on; as many as MRPC has.
        sentences: predicted; as many as SST-2 has for validation.
        shapes: (rows, width) of the training steps.
        steps: of each shape in a round.
        matrix: rows and columns of the matrices that tell the machine's rate.
    """

    pairs: int = 24_000
    planned_rows: int = 360_000
    training_pairs: int = 3_668
    sentences: int = 872
    shapes: tuple[tuple[int, int], ...] = ((8, 56), (32, 16), (32, 32))
    steps: int = 7
    matrix: int = 2048


TINY = Sizes(pairs=50, planned_rows=900, training_pairs=40, sentences=30, shapes=((2, 8), (4, 6)), steps=2, matrix=64)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks and print their table, or one JSON object."""
    parser = argparse.ArgumentParser(description="glueft's own micro-benchmarks, against their floors.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--checkpoint", default=SAMPLE_CHECKPOINT, help="name, folder or package of an encoder")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each benchmark")
    parser.add_argument("--tiny", action="store_true", help="sizes that show only that it runs")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    hush_libraries()
    results = run(options.checkpoint, TINY if options.tiny else Sizes(), options.rounds)
    seconds = time.perf_counter() - begin
    if options.json:
        print(json.dumps({**machine(), "seconds": round(seconds, 1), "benchmarks": [r.as_json() for r in results]}))
    else:
        print_table(results, options.rounds, seconds)


def run(checkpoint: str, sizes: Sizes, rounds: int) -> list[Result]:
    """Run every benchmark, and say on standard error which."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    from classifier import load_bench, load_tokenizer_of
    from encode_benchmark import measure_encode
    from plan_benchmark import measure_plan

    say("encode")
    tokenizer = load_tokenizer_of(checkpoint)
    results = [measure_encode(tokenizer, pairs=sizes.pairs, rounds=rounds)]
    say("batch plan")
    results += [measure_plan(rows=sizes.planned_rows, rounds=rounds)]
    say("train steps and predictions")
    with captured_stderr() if "keras" not in sys.modules else nullcontext():
        bench = load_bench(checkpoint, tokenizer, pairs=sizes.training_pairs, count=sizes.sentences)
    from step_benchmark import measure_steps

    return results + measure_steps(
        bench, shapes=sizes.shapes, steps=sizes.steps, matrix_size=sizes.matrix, rounds=rounds
    )


def machine() -> dict[str, Any]:
    """Return where the numbers come from."""
    import keras

    return {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def print_table(results: list[Result], rounds: int, seconds: float) -> None:
    """Print one line a benchmark."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    about = machine()
    table = Table(title=f"glueft on {about['backend']}, {about['cores']} cores: medians of {rounds} rounds")
    table.add_column("what")
    table.add_column("measured")
    table.add_column("floor")
    table.add_column("times the floor", justify="right")
    table.add_column("min to max", justify="right")
    for result in results:
        ratios = result.ratios
        table.add_row(
            result.name,
            result.value,
            result.floor,
            f"{np.median(ratios):.2f}",
            f"{ratios.min():.2f} to {ratios.max():.2f}",
        )
    console = Console()
    console.print(table, width=max(console.width, 150) if not console.is_terminal else None)
    console.print(f"{seconds:.0f} seconds", highlight=False)


if __name__ == "__main__":
    main()
