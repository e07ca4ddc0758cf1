"""Rows that a limit keeps, drawn by label: each has its share, and the same seed draws the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.data.limited_draw import stratified_draw

LABELS = np.repeat(np.arange(4), [90, 60, 49, 1]).astype(np.int32)


@pytest.mark.parametrize("limit", [4, 5, 16, 100, 199])
def test_each_label_has_its_share_and_a_row_at_least(limit: int) -> None:
    rows = stratified_draw(LABELS, limit, seed=1)
    assert len(rows) == len(set(rows.tolist())) == limit and (np.diff(rows) > 0).all()
    taken = np.bincount(LABELS[rows], minlength=4)
    assert taken.min() >= 1
    assert np.abs(taken - np.array([90, 60, 49, 1]) * limit / 200).max() <= 1.5


def test_fewer_rows_than_labels() -> None:
    assert LABELS[stratified_draw(LABELS, 2, seed=1)].tolist() == [0, 1]


def test_a_limit_beyond_the_rows_keeps_all() -> None:
    assert stratified_draw(LABELS, 200, seed=1).tolist() == list(range(200))


def test_the_seed_decides() -> None:
    first, again, other = (stratified_draw(LABELS, 20, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_scores_are_drawn_from_low_to_high() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(100, dtype=np.float32))
    taken = np.sort(scores[stratified_draw(scores, 10, seed=1)])
    assert (taken // 10).tolist() == list(range(10))
