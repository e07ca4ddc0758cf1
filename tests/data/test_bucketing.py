"""The padded lengths that are chosen are the cheapest choice there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from glueft.data.bucketing import choose_buckets, padded_length


def cost(widths: tuple[int, ...], longest: np.ndarray, rows: np.ndarray, price: float) -> float:
    return float((padded_length(longest, np.array(widths)) * rows).sum() + price * len(widths))


@pytest.mark.parametrize("price", [0, 10, 60, 300, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_choice_costs_less(seed: int, price: float) -> None:
    random = np.random.default_rng(seed)
    longest = random.integers(3, 12, 30)
    rows = random.integers(1, 9, 30)
    candidates = np.unique(longest).tolist()
    every = (
        (*few, candidates[-1])
        for count in range(len(candidates))
        for few in itertools.combinations(candidates[:-1], count)
    )
    least = min(cost(widths, longest, rows, price) for widths in every)
    chosen = choose_buckets(longest, rows, price)
    assert cost(tuple(chosen.tolist()), longest, rows, price) == pytest.approx(least)
    assert (np.diff(chosen) > 0).all()
    assert chosen[-1] == longest.max()


def test_the_price_of_a_shape_decides_how_many_there_are() -> None:
    longest = np.arange(5, 60).repeat(20)
    rows = np.full(len(longest), 8)
    counts = [len(choose_buckets(longest, rows, price)) for price in (0, 500, 5_000, 1e9)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 55
    assert counts[-1] == 1


def test_without_widths_a_batch_is_as_wide_as_its_longest_row() -> None:
    assert padded_length(17, None) == 17
