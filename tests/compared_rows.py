"""Predictions of runs for the tests of the statistics, without folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glueft.comparison.rows import ComparedRows
from glueft.metrics import known_metrics


def rows_of(references: Any, *predictions: Any, labels: int = 2, metrics: Sequence[str] | None = None) -> ComparedRows:
    """Return what `read_rows` does; `labels` is 0 in regression. Predicted labels are certain."""
    usual = ("pearson", "spearmanr") if not labels else ("accuracy", "matthews_correlation", *["f1"] * (labels == 2))
    names = tuple("abcdefgh"[:labels])
    return ComparedRows(
        "validation",
        names,
        tuple(known_metrics()[name](names) for name in metrics or usual),
        np.asarray(references),
        tuple(np.asarray(column) for column in predictions),
        tuple(np.eye(labels)[column] if labels else np.empty((len(column), 0)) for column in predictions),
    )


def label_rows(rows: int, seed: int, *, labels: int = 2, right: float = 0.8) -> list[np.ndarray[Any, Any]]:
    """Return the given and the said of two runs that are right about so often, and often agree."""
    random = np.random.default_rng(seed)
    given = random.integers(0, labels, rows)
    first, other = (np.where(random.random(rows) < right, given, random.integers(0, labels, rows)) for _ in range(2))
    return [given, first, np.where(random.random(rows) < 0.7, first, other)]


def score_rows(rows: int, seed: int, *, digits: int = 6) -> list[np.ndarray[Any, Any]]:
    """Return scores from about 0 to 5, given with few digits, so that many are equal, and those of two runs."""
    random = np.random.default_rng(seed)
    given = np.clip(random.normal(2.5, 1.2, rows), 0, 5).round(1)
    first = (given + random.normal(0, 0.8, rows)).round(digits)
    return [given, first, (first + random.normal(0, 0.3, rows)).round(digits)]
