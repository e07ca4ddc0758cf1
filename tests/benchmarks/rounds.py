"""Variants timed in turn: a machine's speed changes within minutes, so only neighbours are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


def in_turn(variants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Seconds]:
    """Run every variant once a round, after one round that does not count.

    Args:
        variants: each returns its own seconds.
        rounds: how many count.

    Returns:
        The seconds of each variant, (rounds,).
    """
    laps = [[variant() for variant in variants.values()] for _ in range(1 + rounds)]
    return dict(zip(variants, np.array(laps[1:]).T, strict=True))


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a function that does the work and returns its seconds."""

    def seconds() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return seconds
