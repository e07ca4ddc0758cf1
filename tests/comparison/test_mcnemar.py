"""McNemar's exact test on examples worked by hand."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from glueft.comparison.mcnemar import differing_rows, mcnemar


def rows_of(both: int, only_first: int, only_other: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    right = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_other + [(0, 0)] * neither
    first, other = np.array(right, int).T
    return np.ones(len(right), int), first, other


def test_ten_rows_by_hand() -> None:
    # Two of ten or fewer, on either side: 2 (1 + 10 + 45) / 1024.
    found = mcnemar(*rows_of(30, 2, 8, 5))
    assert (found.only_first, found.only_other) == (2, 8)
    assert found.p == pytest.approx(112 / 1024)


@pytest.mark.parametrize(
    ("only_first", "only_other", "p"),
    [(0, 5, 2 / 32), (0, 6, 2 / 64), (1, 0, 1.0), (5, 5, 1.0), (0, 0, 1.0), (3, 0, 0.25)],
)
def test_few_rows(only_first: int, only_other: int, p: float) -> None:
    assert mcnemar(*rows_of(3, only_first, only_other, 1)).p == pytest.approx(p)


def test_a_row_of_several_labels_is_right_if_all_are() -> None:
    references = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    first, other = references.copy(), references.copy()
    other[0] = [1, 1]
    first[1], other[1] = [0, 1], [1, 0]  # Both are wrong, each elsewhere.
    first[2] = [1, 1]
    found = mcnemar(references, first, other)
    assert (found.only_first, found.only_other, found.p) == (1, 1, 1.0)
    assert differing_rows(first, other).tolist() == [True, True, True, False]


def test_agrestis_approval_ratings() -> None:
    # 1,600 voters asked twice (Agresti 1990, Categorical Data Analysis, page 350): 150 changed their minds one way, 86
    # the other.
    found = mcnemar(*rows_of(794, 150, 86, 570))
    exact = 2 * Fraction(sum(comb(236, count) for count in range(87)), 2**236)
    assert found.p == pytest.approx(float(exact), rel=1e-12)
    assert found.p == pytest.approx(3.7e-5, rel=0.01)


def test_with_more_labels_wrong_is_wrong() -> None:
    given, first, other = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1]), np.array([1, 0, 2, 2])
    found = mcnemar(given, first, other)
    assert (found.only_first, found.only_other, found.p) == (1, 1, 1.0)
