"""What may be claimed, and what may not."""

from __future__ import annotations

import numpy as np
import pytest

from compared_rows import label_rows, rows_of
from glueft.comparison import significance
from glueft.comparison.bootstrap import Difference, paired_bootstrap
from glueft.comparison.mcnemar import McNemar, mcnemar
from glueft.comparison.significance import Pair, Verdict, significant
from glueft.metrics import known_metrics


def difference(low: float, high: float, value: float | None = None) -> Difference:
    """One whose resamples lie evenly from `low` to `high`, and a little beyond."""
    edge = (high - low) / 38
    middle = (low + high) / 2 if value is None else value
    return Difference(middle, np.linspace(low - edge, high + edge, 10_001), 0)


def verdict(pair: Pair, metric: str, found: Difference, test: McNemar | None) -> Verdict:
    return significance.verdict(pair, known_metrics()[metric], found, test, metric)


def test_a_difference_that_may_be_claimed() -> None:
    pair = Pair("A", 408, 60, 1)
    found = verdict(pair, "f1", difference(0.01, 0.07), None)
    assert (found.kind, found.sentence) == ("better", "better than A in f1, by 0.0400")
    found = verdict(pair, "accuracy", difference(-0.07, -0.01), McNemar(40, 20, 0.013))
    assert (found.kind, found.sentence) == ("worse", "worse than A in accuracy, by 0.0400")


def test_no_difference_that_the_rows_can_show() -> None:
    found = verdict(Pair("A", 1408, 60, 1), "accuracy", difference(-0.01, 0.03), McNemar(20, 28, 0.31))
    assert (found.kind, found.sentence) == ("no_difference", "no difference in accuracy that 1,408 rows can show")
    assert verdict(Pair("A", 1, 1, 1), "f1", difference(-1, 1), None).sentence.endswith("that 1 row can show")
    # An interval that ends at 0 leaves it in, by a hair of rounding too.
    assert verdict(Pair("A", 408, 60, 1), "f1", difference(1e-16, 0.1), None).kind == "no_difference"


def test_the_same_predictions() -> None:
    found = verdict(Pair("A", 408, 0, 1), "f1", difference(0, 0), None)
    assert (found.kind, found.sentence) == ("same", "f1 is the same, for every row has the same prediction")


@pytest.mark.parametrize(
    ("pair", "low", "test", "reason"),
    [
        (Pair("A", 408, 5, 1), 0.001, None, "the two differ on 5 of them, and fewer than 6 can show nothing"),
        (Pair("A", 29, 20, 1), 0.001, None, "fewer than 30 rows are too few to trust the interval"),
        (Pair("A", 408, 20, 1), 0.001, McNemar(5, 15, 0.051), "the interval leaves out 0 and the exact test does not"),
        (Pair("A", 408, 20, 4), 0.001, None, "by itself it could be claimed, as one of 4 comparisons it could be"),
        (Pair("A", 408, 20, 4), 0.1, McNemar(5, 15, 0.02), "by itself it could be claimed"),
    ],
)
def test_an_interval_alone_does_not_allow_a_claim(pair: Pair, low: float, test: McNemar | None, reason: str) -> None:
    found = verdict(pair, "accuracy", difference(low, low + 0.1), test)
    assert found.kind == "no_difference"
    assert f"can show: {reason}" in found.sentence


def test_few_rows_are_enough_for_the_exact_test() -> None:
    assert verdict(Pair("A", 20, 12, 1), "accuracy", difference(0.1, 0.9), McNemar(0, 12, 0.0005)).kind == "better"


def test_several_comparisons_ask_for_more() -> None:
    # Even from 0.01 - 0.1/38 on, the interval at 98.75 % still leaves out 0.
    found = verdict(Pair("A", 408, 60, 4), "accuracy", difference(0.01, 0.11), McNemar(10, 40, 0.001))
    assert found.kind == "better"


def test_equal_runs_are_seldom_called_different() -> None:
    claims = 0
    for seed in range(200):
        given, first, other = label_rows(200, seed=seed)
        rows = rows_of(given, first, other, metrics=["accuracy"])
        found = paired_bootstrap(rows, 1, resamples=500)["accuracy"]
        test = mcnemar(given, first, other)
        pair = Pair("A", 200, int((first != other).sum()), 1)
        claims += verdict(pair, "accuracy", found, test).kind != "no_difference"
    # In at most 5 % of such cases; 20 of 200 would come about less than once in 500 times.
    assert 0 < claims < 20


P_VALUES = [(0.8601, "p = 0.86"), (1.0, "p = 1"), (0.00312, "p = 0.0031"), (1e-9, "p < 0.0001")]


@pytest.mark.parametrize(("p", "text"), P_VALUES)
def test_p_values(p: float, text: str) -> None:
    assert significant(p) == text
