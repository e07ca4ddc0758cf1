"""The intervals, against scipy's own bootstrap and against the exact distribution where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from compared_rows import label_rows, rows_of, score_rows
from glueft.comparison.bootstrap import metrics_of, paired_bootstrap
from glueft.metrics import bootstrap, compute_metrics


def scipy_interval(rows: list[Any], metric: Any, seed: int, resamples: int) -> tuple[float, float]:
    def difference(given: Any, first: Any, other: Any) -> float:
        return float(metric(given, other) - metric(given, first))

    found = stats.bootstrap(
        rows, difference, paired=True, vectorized=False, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return found.confidence_interval.low, found.confidence_interval.high


def test_correlations_are_those_of_scipy_to_the_last_digits() -> None:
    # Both draw their rows from numpy's generator alike, so that the resamples are the very same.
    rows = score_rows(60, seed=7)
    found = paired_bootstrap(rows_of(*rows, labels=0), 1, resamples=300, seed=11)
    for name, function in (("pearson", stats.pearsonr), ("spearmanr", stats.spearmanr)):
        expected = scipy_interval(rows, lambda given, said, use=function: use(given, said)[0], 11, 300)
        assert found[name].interval() == pytest.approx(expected, abs=1e-12)


def test_label_metrics_are_those_of_scipy_but_for_the_luck_of_the_draw() -> None:
    rows = label_rows(150, seed=4)
    found = paired_bootstrap(rows_of(*rows), 1, resamples=20_000)
    for name, function in (
        ("f1", lambda given, said: 2 * (given & said).sum() / (given.sum() + said.sum())),
        # Matthews is Pearson's correlation of two columns of 0 and 1.
        ("matthews_correlation", lambda given, said: np.corrcoef(given, said)[0, 1]),
    ):
        low, high = found[name].interval()
        expected = scipy_interval(rows, function, 0, 1000)
        # The end of an interval from 1,000 resamples is off by about 0.08 of the standard deviation.
        assert (low, high) == pytest.approx(expected, abs=0.3 * (high - low) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_has_the_exact_distribution(seed: int) -> None:
    given, first, other = label_rows(40, seed=seed)
    found = paired_bootstrap(rows_of(given, first, other), 1, resamples=100_000)["accuracy"]
    # Each drawn row adds -1, 0 or 1: the sum of 40 of them is 40 convolutions.
    steps = (other == given).astype(int) - (first == given)
    one = np.array([(steps == step).mean() for step in (-1, 0, 1)])
    chances = np.ones(1)
    for _ in range(40):
        chances = np.convolve(chances, one)
    sums = np.arange(-40, 41)
    drawn = np.bincount(np.rint(found.differences * 40).astype(int) + 40, minlength=81) / 100_000
    np.testing.assert_allclose(drawn, chances, atol=0.006)  # four standard errors of the commonest
    cumulated = np.cumsum(chances)
    exact = [sums[np.searchsorted(cumulated, tail)] / 40 for tail in (0.025, 0.975)]
    assert found.interval() == pytest.approx(tuple(exact), abs=1 / 40 + 1e-9)
    assert found.difference == pytest.approx(steps.mean(), abs=1e-15)


@pytest.mark.parametrize("labels", [0, 2, 3])
def test_in_parts_that_fit_into_memory(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = label_rows(30, seed=2, labels=labels) if labels else score_rows(30, seed=2)
    compared = rows_of(*rows, labels=labels)
    whole = paired_bootstrap(compared, 1, resamples=101)
    monkeypatch.setattr(bootstrap, "_CHUNK", 100)
    parts = paired_bootstrap(compared, 1, resamples=101)
    assert [*parts] == [*whole] == [metric.name for metric in compared.metrics]
    for name in parts:
        assert len(parts[name].differences) == 101
        np.testing.assert_allclose(parts[name].differences, whole[name].differences, atol=1e-12)


@pytest.mark.parametrize("labels", [0, 2, 3])
def test_the_numbers_depend_on_the_two_runs_and_the_seed_alone(labels: int) -> None:
    given, first, other = label_rows(50, seed=9, labels=labels) if labels else score_rows(50, seed=9)
    pair = paired_bootstrap(rows_of(given, first, other, labels=labels), 1, resamples=200)
    among = paired_bootstrap(rows_of(given, first, given, other, labels=labels), 2, resamples=200)
    another = paired_bootstrap(rows_of(given, first, other, labels=labels), 1, resamples=200, seed=1)
    for name, difference in pair.items():
        assert (difference.differences == among[name].differences).all()
        assert (difference.differences != another[name].differences).any()


@pytest.mark.parametrize("labels", [0, 2, 3])
def test_the_difference_is_that_of_the_metrics(labels: int) -> None:
    given, first, other = label_rows(70, seed=6, labels=labels) if labels else score_rows(70, seed=6)
    rows = rows_of(given, first, other, labels=labels)
    expected = [compute_metrics([metric.name for metric in rows.metrics], said, given) for said in (first, other)]
    for run in (0, 1):
        assert metrics_of(rows, run) == pytest.approx(expected[run], abs=1e-6)
    for name, difference in paired_bootstrap(rows, 1, resamples=50).items():
        assert difference.difference == pytest.approx(expected[1][name] - expected[0][name], abs=1e-6)


def test_a_run_with_itself() -> None:
    for rows, labels in ((label_rows(40, seed=0), 2), (score_rows(40, seed=0), 0)):
        for difference in paired_bootstrap(rows_of(rows[0], rows[1], rows[1], labels=labels), 1).values():
            assert difference.difference == 0 and difference.interval() == (0, 0)


def test_a_run_that_always_says_the_same_is_measured_by_the_metrics_convention() -> None:
    given = np.array([0, 1] * 20)
    found = paired_bootstrap(rows_of(given, np.zeros(40, int), given), 1, resamples=1000)
    matthews = found["matthews_correlation"]
    assert matthews.difference == 1 and matthews.undefined == 1000
    assert found["f1"].undefined == 0  # Label 1 is given somewhere in every resample, but for 1 in 10^12.
    assert found["f1"].interval() == (1, 1)


def test_more_runs_than_two_kinds_of_rows_and_one_row_alone() -> None:
    found = paired_bootstrap(rows_of([1], [1], [0]), 1, resamples=10)
    assert found["accuracy"].difference == -1 and found["accuracy"].interval() == (-1, -1)
    found = paired_bootstrap(rows_of([2.0], [1.0], [2.0], labels=0), 1, resamples=10)
    assert found["pearson"].difference == 0 and found["pearson"].undefined == 10
