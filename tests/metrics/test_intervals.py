"""The 95 % intervals of metrics: against exact distributions and scipy, and in bounded time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy import stats

import glueft
from compared_rows import label_rows, score_rows
from glueft.metrics import bootstrap, known_metrics
from glueft.metrics.bootstrap import intervals
from glueft.metrics.decision import Decided


def of_labels(predicted: Any, labels: int = 2) -> Decided:
    return Decided(np.asarray(predicted), np.eye(labels)[predicted])


def metrics(*names: str, labels: int = 2) -> list[glueft.Metric]:
    return [known_metrics()[name](tuple("abcdefghijk"[:labels])) for name in names]


class Slow(glueft.Metric):
    """A metric of a plugin without a `resampled` of its own."""

    name = "slow"

    def value(self, predictions: Any, references: Any) -> float:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return 0.5


class Waiting(glueft.Metric):
    """A metric that waits for something elsewhere."""

    name = "waiting"

    def value(self, predictions: Any, references: Any) -> float:
        time.sleep(0.06)
        return 0.5


class Broken(glueft.Metric):
    """A metric that fails on resamples."""

    name = "broken"

    def value(self, predictions: Any, references: Any) -> float:
        raise ValueError("no such rows")


class Undefined(glueft.Metric):
    """A metric that is not defined on all rows, and of which lower is better."""

    name = "undefined"
    higher_is_better = False

    def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
        return np.full(len(counts), np.nan)


def test_shares_have_the_intervals_of_wilson_and_f1_that_of_the_share_that_it_follows_from() -> None:
    references, predicted, _ = label_rows(408, seed=1)
    both, one, other = (int(rows.sum()) for rows in (predicted & references, predicted == 1, references == 1))

    def wilson(hits: int, rows: int) -> list[float]:
        found = stats.binomtest(hits, rows).proportion_ci(0.95, method="wilson")
        return [found.low, found.high]

    found = intervals(metrics("accuracy", "micro_f1", "precision", "recall", "f1"), of_labels(predicted), references)
    right = wilson(int((references == predicted).sum()), 408)
    low, high = wilson(both, one + other - both)
    expected = {
        "accuracy": right,
        "micro_f1": right,
        "precision": wilson(both, one),
        "recall": wilson(both, other),
        "f1": [2 * low / (1 + low), 2 * high / (1 + high)],
    }
    assert [*found.found] == [*expected]
    for name, interval in expected.items():
        assert found.found[name] == pytest.approx(interval, abs=1e-6), name


def test_perfect_predictions_leave_doubt() -> None:
    """The rule of three, about: no error in n rows says that less than 3.7 / n of others are wrong."""
    references = np.array([0, 1] * 10)
    names = ("accuracy", "f1", "matthews_correlation", "f1_macro")
    found = intervals(metrics(*names), of_labels(references), references)
    assert found.found["accuracy"] == pytest.approx([0.8389, 1.0], abs=1e-4)
    assert found.found["f1"] == pytest.approx([0.8388, 1.0], abs=1e-4)
    # Of two labels the prior adds a fourth of a row to each cell: the coefficient of that table is the middle, about.
    for name, middle in (("matthews_correlation", (10.25 - 0.25) / 10.5), ("f1_macro", 10.25 / 10.5)):
        low, high = found.found[name]
        assert 1 - 7 * (1 - middle) < low < middle < high == 1.0, name
    eleven = np.arange(22) % 11
    many = intervals(metrics(*names[2:], labels=11), of_labels(eleven, 11), eleven)
    assert many.missing == dict.fromkeys(names[2:], "it is the same on every resample of the rows")
    alone = intervals(metrics(*names), of_labels(references[:1]), references[:1])
    assert alone.found == {"accuracy": pytest.approx([0.2065, 1.0], abs=1e-4), "f1": [0.0, 1.0]}
    assert alone.missing == dict.fromkeys(names[2:], "it is a single row")


def test_a_correlation_has_the_interval_of_scipy_but_for_the_luck_of_the_draw() -> None:
    references, scores, _ = (column.astype(np.float32) for column in score_rows(200, seed=3))
    found = intervals(metrics("pearson", "rmse", labels=0), scores, references).found
    expected = stats.bootstrap(
        (references, scores), lambda one, other: stats.pearsonr(one, other)[0], paired=True, vectorized=False,
        n_resamples=1000, method="percentile", random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    low, high = found["pearson"]
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.3 * (high - low) / 4)
    assert found["rmse"][0] < float(np.sqrt(((references - scores) ** 2).mean())) < found["rmse"][1]


def test_the_same_rows_have_the_same_intervals_in_the_order_of_the_metrics() -> None:
    references, predicted, _ = label_rows(90, seed=5)
    names = ("roc_auc", "f1", "accuracy")
    first, again = (intervals(metrics(*names), of_labels(predicted), references).found for _ in range(2))
    assert first == again
    assert [*first] == [*names]
    assert all(0 < low < high < 1 for low, high in first.values())


def test_where_a_metric_is_not_defined_it_counts_as_0_as_it_does_in_the_metrics() -> None:
    class OfTheOther(glueft.Metric):
        """The share of right rows among those predicted as the second label."""

        name = "of_the_other"

        def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
            with np.errstate(invalid="ignore"):
                return counts @ (predictions & references) / (counts @ predictions)

    one_other = of_labels(np.array([0] * 39 + [1]))
    found = intervals([OfTheOther(("a", "b"))], one_other, np.array([0, 1] * 20)).found["of_the_other"]
    assert found == [0.0, 1.0]


def test_a_coefficient_of_few_rows_has_the_interval_of_tables_that_may_be_behind_theirs() -> None:
    """Those that their confusion matrix and one row of prior, spread over its cells, make likely."""
    references = np.array([0] * 10 + [1] * 10)
    predicted = np.where(np.arange(20) == 19, 0, references)
    tables = stats.dirichlet([10.25, 0.25, 1.25, 9.25]).rvs(40_000, random_state=np.random.default_rng(1))
    a, b, c, d = tables.T
    drawn = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    halves = [(2 * right / (2 * right + b + c)) for right in (a, d)]
    names = ("matthews_correlation", "macro_f1")
    found = intervals(metrics(*names), of_labels(predicted), references).found
    for name, values in zip(names, (drawn, np.mean(halves, axis=0)), strict=True):
        assert found[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02), name


class Reversed(glueft.Metric):
    """A metric whose own interval is none."""

    name = "reversed"

    def interval(self, predictions: Any, references: Any) -> Any:
        return 0.9, 0.1


def test_many_rows_get_fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Counting(glueft.Metric):
        """Counts its resamples."""

        name = "counting"
        takes_probabilities = True

        def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
            assert (counts.sum(axis=1) == len(references)).all()
            seen.append(len(counts))
            return counts[:, 0] / counts.max()

    for rows, resamples in ((1000, 2000), (40_000, 200)):
        seen.clear()
        intervals([Counting(("a", "b"))], of_labels(np.zeros(rows, int)), np.zeros(rows, int))
        assert sum(seen) == resamples
        assert max(seen) * rows <= bootstrap._CHUNK


def test_of_a_multi_label_task_whole_rows_are_drawn() -> None:
    random = np.random.default_rng(0)

    class Exact(glueft.Metric):
        """The share of rows with exactly their labels."""

        name = "exact"

        def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
            assert predictions.shape == references.shape == (counts.shape[1], 3)
            return counts @ (predictions == references).all(axis=1) / counts.sum(axis=1)

    for rows in (10, 400):  # of few rows each is an entry of its own, of many those that are the same are one
        references = random.integers(0, 2, (rows, 3))
        predictions = np.where(random.random((rows, 3)) < 0.9, references, 1 - references)
        share = (predictions == references).all(axis=1).mean()
        found = intervals([Exact(tuple("abc"))], Decided(predictions, predictions.astype(float)), references)
        assert found.found["exact"] == pytest.approx(
            stats.binom.ppf([0.025, 0.975], rows, share) / rows, abs=1.5 / rows
        )


def test_a_metric_that_is_slow_or_fails_has_no_interval_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.plugin.attribution.is_foreign", lambda plugin: True)
    references, predicted, _ = label_rows(50, seed=2)
    labels = ("a", "b")
    begin = time.thread_time()
    found = intervals(
        [Slow(labels), Broken(labels), Undefined(labels), Reversed(labels), *metrics("accuracy")],
        of_labels(predicted),
        references,
        seconds=0.5,
    )
    assert time.thread_time() - begin < 0.5
    assert [*found.found] == ["accuracy"]
    assert found.missing["slow"] == "200 resamples would take longer than 0.5 s"
    assert found.missing["broken"].endswith("failed in its `resampled`: ValueError: no such rows")
    assert found.missing["reversed"] == '`interval` of the metric "reversed" returns no interval'
    assert found.missing["undefined"] == "it is not defined on every resample of the rows"
    assert [*intervals([Waiting(labels)], of_labels(predicted), references, seconds=0.01).missing] == ["waiting"]
    assert found.notes("dev")[0] == (
        "note: there is no 95 % interval of slow on the dev rows: 200 resamples would take longer than 0.5 s"
    )
