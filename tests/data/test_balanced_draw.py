"""Epochs in which all labels are equally frequent."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.data.balanced_draw import balanced_rows
from glueft.data.batches import TrainingBatches, plan_training
from glueft.data.encoding import Encoded


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([95, 5], [50, 50]), ([1, 20, 0, 9], [10, 10, 0, 10]), ([7, 1], [4, 4]), ([3, 0], [3, 0]), ([4, 3], [3, 4])],
)
def test_each_label_has_the_same_number_of_rows(counts: list[int], expected: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows, _ = balanced_rows(labels, np.random.default_rng(2))
    drawn = np.bincount(labels[rows], minlength=len(counts))
    assert len(rows) == len(labels)
    assert sorted(drawn) == sorted(expected) and (drawn > 0).tolist() == [count > 0 for count in counts]
    for label, count in enumerate(counts):
        times = np.bincount(rows, minlength=len(labels))[labels == label]
        assert count == 0 or times.max() - times.min() <= 1


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    labels, lengths = np.arange(200) % 20 == 0, np.random.default_rng(0).integers(4, 90, 200)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plan_training(lengths, 8, labels, seed=seed, epoch=epoch)).tolist()

    np.random.seed(0)
    first = order(42, 1)
    np.random.seed(1)
    assert order(42, 1) == first
    assert sum(labels[first]) == 100
    assert sorted(order(42, 2)) != sorted(first) != sorted(order(43, 1))  # other rows of the frequent label


def test_labels_are_mixed_in_a_batch_and_copies_of_a_row_spread_over_the_epoch() -> None:
    labels, lengths = np.arange(400) % 20 == 0, np.random.default_rng(0).integers(4, 90, 400)
    plan = plan_training(lengths, 8, labels, seed=1, epoch=0)
    assert np.std([labels[rows].mean() for rows in plan]) < 0.25  # of random draws: 0.18
    # Each of 20 rows comes 10 times: nearly always in 10 batches.
    batches_of = np.mean([sum(row in rows for rows in plan) for row in np.flatnonzero(labels)])
    assert batches_of > 9.5


def test_the_weights_of_a_batch_have_the_mean_1() -> None:
    labels = np.array([0, 0, 1, 0, 0], np.int32)
    encoded = Encoded(np.arange(5, dtype=np.uint16), np.zeros(5, np.uint8), np.arange(6), labels, 0, 0)
    batches = TrainingBatches(encoded, batch_size=3, epochs=1, seed=0, label_weights=np.array([1.0, 4.0]))
    assert batches.weighted
    for _, batch_labels, weights in batches:
        assert weights.dtype == np.float32 and weights.mean() == pytest.approx(1)
        assert (weights / weights.min()).tolist() == pytest.approx(np.where(batch_labels == 1, 4.0, 1.0).tolist())
    assert not TrainingBatches(encoded, batch_size=3, epochs=1, seed=0).weighted
