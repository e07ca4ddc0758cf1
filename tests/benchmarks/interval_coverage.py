"""How often the 95 % intervals of metrics hold the true value, of rows that are drawn again and again.

    python tests/benchmarks/interval_coverage.py [--draws 1000]

For each number of rows: the share of the intervals that hold it, and in brackets the share of draws without one.
Labels: half or a tenth of the rows are positive, and 0.5, 0.9 or 0.99 of the predictions right. Scores: normal ones,
and references like those of STS-B, from 0 to 5 in steps of 0.2, that correlate by 0.5 or 0.9.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from glueft.metrics import compute_metrics, known_metrics
from glueft.metrics.bootstrap import intervals
from glueft.metrics.decision import Decided

ROWS = (20, 50, 153, 400, 1000)
OF_LABELS = ("accuracy", "f1", "matthews_correlation", "f1_macro")
OF_SCORES = ("pearson", "spearmanr", "rmse")
MANY = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    arguments = parser.parse_args()
    for title, names, draw in settings():
        true = value(names, *draw(None, MANY))
        for rows in arguments.rows:
            random = np.random.default_rng(rows)
            held = [held_by(names, true, *draw(random, rows)) for _ in range(arguments.draws)]
            told = []
            for place, name in enumerate(names):
                there = [each[place] for each in held if each[place] is not None]
                share = f"{np.mean(there):.3f}" if there else "  -  "
                told.append(f"{name} {share} ({1 - len(there) / len(held):.3f})")
            print(f"{title}, {rows:4} rows: {', '.join(told)}", flush=True)


def settings() -> Iterator[tuple[str, tuple[str, ...], Callable[..., tuple[Any, Any]]]]:
    for right, positive in itertools.product((0.5, 0.9, 0.99), (0.5, 0.1)):

        def labels(random: Any, rows: int, right: float = right, positive: float = positive) -> tuple[Any, Any]:
            if random is None:  # all rows that there are, in their exact parts
                wanted = (np.arange(rows) < round(rows * positive)).astype(np.int64)
                chances = np.concatenate(
                    [np.linspace(0, 1, int((wanted == label).sum()), endpoint=False) for label in (1, 0)]
                )
            else:
                wanted, chances = (random.random(rows) < positive).astype(np.int64), random.random(rows)
            references, predicted = wanted, np.where(chances < right - 1e-9, wanted, 1 - wanted)
            return Decided(predicted, np.eye(2)[predicted]), references

        yield f"right {right}, positive {positive}", OF_LABELS, labels
    for correlation, like in itertools.product((0.5, 0.9), ("normal", "STS-B")):

        def scores(random: Any, rows: int, correlation: float = correlation, like: str = like) -> tuple[Any, Any]:
            random = np.random.default_rng(0) if random is None else random
            references = random.normal(size=rows)
            predicted = correlation * references + np.sqrt(1 - correlation**2) * random.normal(size=rows)
            if like == "STS-B":
                references = np.clip(np.round((2.5 + 1.6 * references) * 5) / 5, 0, 5)
                predicted = 2.5 + 1.6 * predicted
            return predicted.astype(np.float32), references.astype(np.float32)

        yield f"correlation {correlation}, {like}", OF_SCORES, scores


def value(names: tuple[str, ...], predictions: Any, references: Any) -> dict[str, float]:
    return compute_metrics(names, predictions, references, labels=("a", "b") if references.dtype.kind == "i" else ())


def held_by(names: tuple[str, ...], true: dict[str, float], predictions: Any, references: Any) -> list[bool | None]:
    """Whether the interval of each metric holds its true value; None where there is none."""
    labels = ("a", "b") if references.dtype.kind == "i" else ()
    found = intervals([known_metrics()[name](labels) for name in names], predictions, references).found
    return [found[name][0] <= true[name] <= found[name][1] if name in found else None for name in names]


if __name__ == "__main__":
    main()
