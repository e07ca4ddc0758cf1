"""The difference of two sets of runs: its interval by hand, and how often it holds the true difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from glueft.studies.comparison.difference import difference_of, mean_difference


def test_over_seeds_it_is_welch_s_interval() -> None:
    first, other = [0.80, 0.82, 0.84], [0.85, 0.86, 0.88, 0.83]
    found = difference_of(first, other)
    assert found.difference == pytest.approx(np.mean(other) - np.mean(first))
    welch = scipy.stats.ttest_ind(other, first, equal_var=False).confidence_interval(0.95)
    assert found.interval() == pytest.approx((welch.low, welch.high))
    assert found.rows is None and found.knows_seeds


def test_rows_add_what_they_move_all_runs_alike() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(0, 0.01, 20_000)
    own = [random.normal(0, 0.02, (runs, 20_000)) for runs in (4, 3)]
    found = difference_of([0.8] * 4, [0.8] * 3, [(own[0], own[1] + shared)])
    assert found.rows == pytest.approx(0.01**2, rel=0.1)
    # Of two splits with rows of their own, half of each counts.
    two = difference_of([0.8] * 4, [0.8] * 3, [(own[0], own[1] + shared), (own[0], own[1] + shared)])
    assert two.rows == pytest.approx(found.rows / 2 if found.rows else 0)


def test_one_run_tells_of_rows_alone_and_nothing_at_all_without_them() -> None:
    random = np.random.default_rng(1)
    resamples = [(np.zeros((1, 5000)), random.normal(0, 0.01, (1, 5000)))]
    found = difference_of([0.8], [0.9], resamples)
    assert not found.knows_seeds
    assert found.interval() == (pytest.approx(0.1 - 0.0196, abs=1e-3), pytest.approx(0.1 + 0.0196, abs=1e-3))
    assert difference_of([0.8], [0.9]).interval() is None
    assert difference_of([0.8, 0.8], [0.9, 0.9]).interval() is None


def test_the_mean_over_tasks_adds_their_variances() -> None:
    one, other = difference_of([1.0, 2.0], [2.0, 4.0]), difference_of([0.0, 1.0], [1.0, 1.0])
    found = mean_difference([one, other])
    assert found.difference == pytest.approx((1.5 + 0.5) / 2)
    # Variances of the means 1/4, 1, 1/4 and 0, a degree of freedom each; 1.5^2 / (1/16 + 1 + 1/16) = 2.
    half = scipy.stats.t.ppf(0.975, 2) * math.sqrt(1.5) / 2
    assert found.interval() == (pytest.approx(1 - half), pytest.approx(1 + half))


@pytest.mark.parametrize("n", [3, 5])
def test_it_holds_the_true_difference_in_95_percent_of_draws(n: int) -> None:
    """Of two equally good encoders on drawn rows, that are hard for both or one, and seeds of more and less luck."""
    random = np.random.default_rng(n)
    rows, resamples, draws, held = 200, 150, 400, 0
    for _ in range(draws):
        difficulty = random.normal(0.8, 1, rows)
        answers = []
        for _ in range(2):
            ability = difficulty + random.normal(0, 0.5, rows) + random.normal(0, 0.1, (n, 1))
            answers.append((ability + random.normal(0, 0.4, (n, rows)) > 0).astype(float))
        counts = random.multinomial(rows, np.full(rows, 1 / rows), size=resamples) / rows
        scores = [answer.mean(axis=1).tolist() for answer in answers]
        interval = difference_of(*scores, resamples=[(answers[0] @ counts.T, answers[1] @ counts.T)]).interval()
        held += interval is not None and interval[0] <= 0 <= interval[1]
    assert 0.92 <= held / draws <= 0.99
