"""McNemar's exact test: whether two runs are right equally often on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class McNemar:
    """The outcome of the test.

    Attributes:
        only_first: rows that only the first run predicts right.
        only_other: rows that only the other run predicts right.
        p: two-sided: the probability of a split as uneven, or more so, if both are right equally often.
    """

    only_first: int
    only_other: int
    p: float


def mcnemar(references: NDArray[Any], first: NDArray[Any], other: NDArray[Any]) -> McNemar:
    """Test two runs on the rows that one predicts right and the other wrong.

    If both are right equally often, each such row is right in either with probability 1/2, so that their number is
    binomial: McNemar 1947, Note on the sampling error of the difference between correlated proportions or percentages,
    Psychometrika 12; for classifiers Dietterich 1998, Approximate statistical tests for comparing supervised
    classification learning algorithms, Neural Computation 10. This is the exact binomial test, not the chi-square
    approximation. Without such rows p is 1.

    Args:
        references: label indices, (rows,); in a multi-label task 0 and 1, (rows, labels), of which a row is right if
            all labels are.
        first: predictions of the first run, likewise.
        other: predictions of the other run, likewise.
    """
    from scipy.stats import binomtest

    first_right, other_right = (~differing_rows(references, predictions) for predictions in (first, other))
    only_first = int((first_right & ~other_right).sum())
    only_other = int((~first_right & other_right).sum())
    differing = only_first + only_other
    return McNemar(only_first, only_other, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def differing_rows(first: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows differ, (rows,): in their label or score, or in a multi-label task in any label."""
    differing: NDArray[Any] = first != other
    return differing.max(axis=1) if differing.ndim == 2 else differing
