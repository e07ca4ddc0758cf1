"""Every row once an epoch, rows of like length together, and an order that (seed, epoch) decides alone."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.data.batches import (
    EvaluationBatches,
    Filling,
    TrainingBatches,
    collate,
    plan_evaluation,
    plan_training,
    share_buckets,
)
from glueft.data.encoding import Encoded


def encoded_rows(lengths: list[int]) -> Encoded:
    """Rows whose tokens are all their row's number + 1, the second half of a row of token type 1."""
    ids = np.concatenate([np.full(length, row + 1) for row, length in enumerate(lengths)]).astype(np.uint16)
    types = np.concatenate([np.arange(length) >= (length + 1) // 2 for length in lengths]).astype(np.uint8)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    labels = (np.arange(len(lengths)) % 2).astype(np.int32)
    return Encoded(ids, types, offsets, labels, pad_id=0, truncated=0)


LENGTHS = np.random.default_rng(3).integers(4, 128, size=1003)


@pytest.mark.parametrize(("rows", "batch_size"), [(1003, 8), (1003, 32), (7, 8), (8, 8), (1, 1), (500, 1)])
def test_every_row_comes_once_and_the_partial_batch_is_kept(rows: int, batch_size: int) -> None:
    plan = plan_training(LENGTHS[:rows], batch_size, seed=1, epoch=0)
    assert sorted(np.concatenate(plan)) == list(range(rows))
    assert len(plan) == -(-rows // batch_size)
    assert sorted(map(len, plan))[1:] == [batch_size] * (len(plan) - 1)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plan_training(LENGTHS, 8, seed=seed, epoch=epoch)).tolist()

    np.random.seed(0)
    first = order(42, 1)
    np.random.seed(1)
    assert order(42, 1) == first
    assert order(42, 2) != first
    assert order(43, 1) != first


def test_like_lengths_share_a_batch() -> None:
    def waste(plan: list[np.ndarray]) -> float:
        padded = sum(len(rows) * LENGTHS[rows].max() for rows in plan)
        return float(1 - LENGTHS.sum() / padded)

    grouped = waste(plan_training(LENGTHS, 8, seed=1, epoch=0))
    random = waste(np.array_split(np.random.default_rng(0).permutation(len(LENGTHS)), len(LENGTHS) // 8))
    assert random > 0.3
    assert grouped < 0.03


def test_no_epoch_runs_from_long_to_short() -> None:
    widths = [LENGTHS[rows].max() for rows in plan_training(LENGTHS, 8, seed=1, epoch=0)]
    assert abs(np.corrcoef(np.arange(len(widths)), widths)[0, 1]) < 0.25


def test_a_batch_mixes_labels_as_a_random_draw_would() -> None:
    # Labels that have nothing to do with length must come out unsorted.
    labels = np.arange(len(LENGTHS)) % 2
    means = [labels[rows].mean() for rows in plan_training(LENGTHS, 8, seed=1, epoch=0)]
    assert np.std(means) == pytest.approx(np.sqrt(0.25 / 8), rel=0.25)


def test_collate_pads_to_the_longest_row_of_the_batch() -> None:
    batch = collate(encoded_rows([3, 5, 2]), np.array([2, 0]))
    assert batch["input_ids"].tolist() == [[3, 3, 0], [1, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch["token_type_ids"].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}


@pytest.mark.parametrize(("longest", "width"), [(3, 8), (8, 8), (9, 20), (20, 20)])
def test_a_batch_is_padded_to_the_next_bucket(longest: int, width: int) -> None:
    batch = collate(encoded_rows([2, longest]), np.array([0, 1]), np.array([8, 20]))
    assert batch["input_ids"].shape == (2, width)
    assert batch["attention_mask"].sum() == 2 + longest


def test_all_the_batches_of_a_run_share_few_buckets() -> None:
    training = TrainingBatches(encoded_rows(LENGTHS.tolist()), batch_size=8, epochs=2, seed=1)
    evaluation = EvaluationBatches(encoded_rows([3, 40, 90, int(LENGTHS.max()) + 5]), batch_size=2)
    before = training.measures()
    share_buckets(training, [evaluation])
    assert training.buckets is evaluation.buckets is not None
    assert len(training.buckets) < len(np.unique(before[:, 1])) / 4
    measures = training.measures()
    assert (measures[:, [0, 2]] == before[:, [0, 2]]).all()
    assert (measures[:, 1] >= before[:, 1]).all()
    shapes = {inputs["input_ids"].shape[1] for inputs, _ in training}
    shapes |= {inputs["input_ids"].shape[1] for inputs in evaluation}
    assert shapes <= set(training.buckets.tolist())


@pytest.mark.parametrize(("chosen", "kept"), [([200, 50], [50, 200]), ([50], None), (None, None)])
def test_a_run_that_goes_on_keeps_its_buckets_if_they_are_long_enough(
    chosen: list[int] | None, kept: list[int] | None
) -> None:
    training = TrainingBatches(encoded_rows([5, 90, 60]), batch_size=2, epochs=1, seed=1)
    share_buckets(training, [], chosen)
    assert training.buckets is not None
    assert training.buckets.tolist() == (kept or [90])


def test_filled_batches_have_one_number_of_rows() -> None:
    rows = np.array([7, 8, 9, 4, 5])
    filled, weights = Filling(parts=2, rows=3, size=4).fill(rows)
    assert filled.tolist() == [7, 8, 9, 4, 4, 5, 5, 5]
    assert weights.tolist() == [1, 1, 1, 0, 1, 1, 0, 0]

    training = TrainingBatches(encoded_rows([3, 9, 4, 6, 5]), batch_size=2, epochs=1, seed=1)
    plain = [*training]
    training.filling = Filling(parts=1, rows=2, size=3)
    assert training.shapes()[:, 0].tolist() == [3, 3, 3] and training.sizes().tolist() == [len(y) for _, y in plain]
    for (inputs, labels), (filled_inputs, filled_labels, weights) in zip(plain, training, strict=True):
        count = len(labels)
        assert filled_inputs["input_ids"].shape == (3, inputs["input_ids"].shape[1])
        assert (filled_inputs["input_ids"][:count] == inputs["input_ids"]).all()
        assert (filled_labels[:count] == labels).all() and weights.tolist() == [1] * count + [0] * (3 - count)
    assert sum(training.tokens(3)) == int(training.shapes().prod(axis=1).sum())


def test_results_of_filled_batches_are_restored_without_what_filled_them_up() -> None:
    batches = EvaluationBatches(encoded_rows([3, 9, 4, 6, 5]), batch_size=3).filled(2)
    assert batches.shapes()[:, 0].tolist() == [4, 4]
    results = np.concatenate([inputs["input_ids"][:, 0] for inputs in batches])
    assert batches.restore(results).tolist() == [1, 2, 3, 4, 5]


def test_steps_are_counted_from_the_real_batches() -> None:
    batches = TrainingBatches(encoded_rows([4] * 21), batch_size=4, epochs=3, seed=0)
    seen = [(inputs["input_ids"][:, 0] - 1, labels) for inputs, labels in batches]
    assert batches.num_train_steps == len(seen) == 18
    assert batches.steps_per_epoch == 6
    assert batches.sizes().sum() == 63
    for rows, labels in seen:
        assert (rows % 2 == labels).all()
    assert batches.tokens(18) == (21 * 4 * 3, 0)


def test_padding_is_counted() -> None:
    batches = TrainingBatches(encoded_rows([2, 4]), batch_size=2, epochs=1, seed=0)
    assert batches.tokens(1) == (6, 2)


def test_evaluation_restores_the_order_of_the_split() -> None:
    encoded = encoded_rows([3, 9, 4, 9, 1])
    batches = EvaluationBatches(encoded, batch_size=2)
    results = np.concatenate([inputs["input_ids"][:, :1] for inputs in batches])
    assert batches.restore(results)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert len(batches) == 3
    assert [len(rows) for rows in plan_evaluation(encoded.lengths, 2)] == [2, 2, 1]


@pytest.mark.parametrize("by_tokens", [False, True])
@pytest.mark.parametrize("devices", [1, 3])
def test_evaluation_in_few_shapes(devices: int, by_tokens: bool) -> None:
    encoded = encoded_rows(LENGTHS[:300].tolist())
    batches = EvaluationBatches(encoded, batch_size=8)
    batches.buckets = np.array([16, 40, 64, 128])
    filled = batches.filled(devices, by_tokens=by_tokens)
    seen = [*filled]
    shapes = filled.shapes()
    assert [inputs["input_ids"].shape for inputs in seen] == [*map(tuple, shapes.tolist())]
    size = 8 if devices == 1 else 9
    times = {128: 1, 64: 2, 40: 3, 16: 8} if by_tokens else dict.fromkeys((128, 64, 40, 16), 1)
    assert {(rows, length) for rows, length in shapes.tolist()} == {(size * times[n], n) for n in times}
    assert shapes.prod(axis=1).max() <= size * 128, "no batch is larger than one of the longest rows"
    assert (len(filled) < len(batches)) == by_tokens
    results = np.concatenate([inputs["input_ids"][:, :1] for inputs in seen])
    assert filled.restore(results)[:, 0].tolist() == [*range(1, 301)]
    few = filled.only(np.array([len(filled) - 1, 0]))
    assert few.shapes().tolist() == shapes[[-1, 0]].tolist() == [[*inputs["input_ids"].shape] for inputs in few]


def test_an_evaluation_of_one_batch_stays_small() -> None:
    batches = EvaluationBatches(encoded_rows([3, 5, 4]), batch_size=8)
    batches.buckets = np.array([8, 64])
    assert batches.filled(1, by_tokens=True).shapes().tolist() == [[3, 8]]
