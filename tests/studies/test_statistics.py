"""The numbers over seeds, against other ways to compute them; intervals and orders on drawn scores."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from glueft.studies.tables.statistics import (
    ORDER,
    almost_stochastic_order,
    expected_best,
    interquartile_mean,
    interval,
    mean_of_means,
    satterthwaite,
    summary,
    violation_ratio,
)

SCORES = [0.8652, 0.8407, 0.6838, 0.8578, 0.8725]


def test_a_summary_against_numpy_and_scipy() -> None:
    found = summary(SCORES)
    assert found.n == 5
    assert found.mean == pytest.approx(np.mean(SCORES), abs=1e-15)
    assert found.sd == pytest.approx(np.std(SCORES, ddof=1), abs=1e-15)
    assert (found.median, found.minimum, found.maximum) == (0.8578, 0.6838, 0.8725)
    assert found.iqm == pytest.approx(scipy.stats.trim_mean(SCORES, 0.25), abs=1e-15)
    reference = scipy.stats.t.interval(0.95, 4, loc=np.mean(SCORES), scale=scipy.stats.sem(SCORES))
    assert found.interval == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("n", range(1, 14))
def test_the_interquartile_mean_is_a_trimmed_mean(n: int) -> None:
    scores = np.random.default_rng(n).random(n).tolist()
    assert interquartile_mean(scores) == pytest.approx(scipy.stats.trim_mean(scores, 0.25), abs=1e-15)


def test_one_run_and_equal_runs_tell_no_spread() -> None:
    assert summary([0.8]).sd is None and interval([0.8]) is None
    assert summary([0.8] * 4).sd == 0 and interval([0.8] * 4) is None
    assert mean_of_means([[0.8], [0.6, 0.7]]) == (pytest.approx(0.725), None)
    assert mean_of_means([[0.5, 0.5], [0.6, 0.6]]) == (pytest.approx(0.55), None)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_holds_the_mean_in_95_percent_of_draws(n: int) -> None:
    drawn = np.random.default_rng(n).normal(0.85, 0.01, (4000, n))
    covered = [low <= 0.85 <= high for low, high in map(interval, drawn.tolist())]  # type: ignore[misc]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.014)  # four standard errors


@pytest.mark.parametrize("n", [3, 5, 10])
def test_of_skewed_scores_it_holds_nearly_as_many(n: int) -> None:
    drawn = np.random.default_rng(n).beta(5, 2, (4000, n))
    covered = [low <= 5 / 7 <= high for low, high in map(interval, drawn.tolist())]  # type: ignore[misc]
    assert 0.915 <= np.mean(covered) <= 0.96


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("spreads", [[0.002, 0.003, 0.005, 0.01, 0.02, 0.004, 0.001, 0.01], [0.005, 0.03]])
def test_the_interval_of_an_average_holds_it_in_95_percent_of_draws(n: int, spreads: list[float]) -> None:
    random = np.random.default_rng(n)
    covered = []
    for _ in range(2000):
        mean, found = mean_of_means([random.normal(0.8, spread, n).tolist() for spread in spreads])
        assert found is not None and found[0] < mean < found[1]
        covered.append(found[0] <= 0.8 <= found[1])
    assert 0.93 <= np.mean(covered) <= 0.98


def test_the_interval_of_an_average_by_hand() -> None:
    # Variances of the means 1/3 and 4/3; (5/3)^2 / ((1/9 + 16/9) / 2) = 50/17 degrees of freedom.
    mean, found = mean_of_means([[1, 2, 3], [2, 4, 6]])
    half = scipy.stats.t.ppf(0.975, 50 / 17) * math.sqrt(5 / 3) / 2
    assert mean == 3 and found == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert satterthwaite([1.0, 1.0], [4, 4]) == 8
    assert satterthwaite([1.0, 3.0], [4, math.inf]) == 64


def test_the_expected_best_by_hand() -> None:
    # Of two of 1, 2 and 4: (1, 2), (1, 4), (2, 4) -> (2 + 4 + 4) / 3.
    assert [expected_best([4, 1, 2], k) for k in (1, 2, 3)] == [pytest.approx(7 / 3), pytest.approx(10 / 3), 4]
    assert expected_best([4, 1, 2], 2, lower_is_better=True) == pytest.approx((1 + 1 + 2) / 3)
    assert expected_best([0.7], 1) == 0.7


def test_the_expected_best_is_the_mean_over_all_choices() -> None:
    scores = np.random.default_rng(0).random(9).tolist()
    for k in range(1, 10):
        every = [max(chosen) for chosen in itertools.combinations(scores, k)]
        assert expected_best(scores, k) == pytest.approx(np.mean(every), abs=1e-12)


def test_the_expected_best_of_drawn_runs_has_no_bias() -> None:
    # The best of 3 uniform numbers is 3/4 on average.
    drawn = np.random.default_rng(0).random((4000, 5)).tolist()
    assert np.mean([expected_best(scores, 3) for scores in drawn]) == pytest.approx(0.75, abs=0.01)


def violated(shift: float, spread: float) -> float:
    """The ratio for normal scores with mean `shift` and standard deviation 1 + `spread`, against standard ones.

    Their quantiles differ by shift + spread z.
    """
    z, phi = scipy.stats.norm.cdf(-shift / spread), scipy.stats.norm.pdf(shift / spread)
    return float(((shift**2 + spread**2) * z - shift * spread * phi) / (shift**2 + spread**2))


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.5, 1.0), (1.0, 0.5), (-0.3, 0.6)])
def test_the_violation_ratio_of_normal_scores_is_the_known_one(shift: float, spread: float) -> None:
    places = (np.arange(20_000) + 0.5) / 20_000
    other = scipy.stats.norm.ppf(places)
    first = shift + (1 + spread) * other
    assert violation_ratio(first[None, :], other[None, :])[0] == pytest.approx(violated(shift, spread), abs=0.002)
    # Of other numbers of scores, too.
    assert violation_ratio(first[None, ::7], other[None, :])[0] == pytest.approx(violated(shift, spread), abs=0.01)


def test_the_violation_ratio_by_hand() -> None:
    # Quantiles of (0, 3) and (1, 2, 2) on sixths: -1, -1, -2 | 1, 1, 1: 6 of 9 are broken.
    first, other = np.array([[0.0, 3.0]]), np.array([[2.0, 1.0, 2.0]])
    assert violation_ratio(first, other)[0] == pytest.approx(6 / 9)
    assert violation_ratio(other, first)[0] == pytest.approx(3 / 9)
    assert violation_ratio(first, first)[0] == 0.5


def test_the_order_of_scores_that_are_far_apart_is_sure_and_of_equal_ones_open() -> None:
    random = np.random.default_rng(3)
    low, high = random.normal(0.80, 0.01, 10).tolist(), random.normal(0.85, 0.01, 10).tolist()
    assert almost_stochastic_order(high, low) == 0 and almost_stochastic_order(low, high) == 1
    assert almost_stochastic_order(low, high, lower_is_better=True) == 0
    assert almost_stochastic_order(low, low) > 0.5
    assert almost_stochastic_order([0.8] * 3, [0.8] * 3) == 0.5
    assert almost_stochastic_order(high, low, seed=1) == almost_stochastic_order(high, low, seed=1)


def test_the_bound_is_the_ratio_and_a_normal_quantile_of_its_bootstrap() -> None:
    first, other = [0.1, 0.5, 0.9], [0.2, 0.4, 0.7, 0.8]
    whole = violation_ratio(np.array([first]), np.array([other]))[0]
    drawn = [
        violation_ratio(np.array([a]), np.array([b]))[0]
        for a in itertools.product(first, repeat=3)
        for b in itertools.product(other, repeat=4)
    ]
    reference = whole + np.std(drawn) * scipy.stats.norm.ppf(0.95)  # over every resample that there is
    assert almost_stochastic_order(first, other, resamples=20_000) == pytest.approx(min(reference, 1), abs=0.01)


@pytest.mark.parametrize(("n", "most"), [(5, 0.058), (10, 0.04)])
def test_an_order_of_equally_good_runs_is_seldom_claimed(n: int, most: float) -> None:
    random = np.random.default_rng(n + 100)
    claimed = 0
    for _ in range(600):
        first, other = random.normal(0, 1, (2, n)).tolist()
        claimed += almost_stochastic_order(first, other, resamples=300) < ORDER
    assert claimed / 600 <= most + 3 * math.sqrt(most * (1 - most) / 600)


def test_runs_of_folds_have_a_wider_interval() -> None:
    scores = [0.7, 0.75, 0.8, 0.72, 0.78]
    low, high = interval(scores) or (0, 0)
    wide = interval(scores, overlap=1 / 4) or (0, 0)
    # Nadeau and Bengio 2003: 1 / n + 1 / (k - 1) in place of 1 / n.
    assert (wide[1] - wide[0]) / (high - low) == pytest.approx(math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    assert summary(scores, 1 / 4).interval == wide and summary(scores).interval == (low, high)
    _, of_mean = mean_of_means([scores, scores], overlaps=[1 / 4, 1 / 4])
    _, narrow = mean_of_means([scores, scores])
    assert of_mean is not None and narrow is not None and of_mean[1] > narrow[1]
