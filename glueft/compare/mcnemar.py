"""McNemar's exact test: whether two runs are right equally often on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class McNemar:
    """The outcome of the test.

    Attributes:
        only_first: rows that only the first run has right.
        only_other: rows that only the other one has right.
        p: two-sided; the chance of so uneven a split, or one yet more uneven, if both were right equally often.
    """

    only_first: int
    only_other: int
    p: float


def mcnemar(given: NDArray[Any], first: NDArray[Any], other: NDArray[Any]) -> McNemar:
    """Test two runs on the rows that one has right and the other wrong.

    If both are right equally often, each such row is as likely to be the one's as the other's, so that their number is
    binomial with 1/2: McNemar 1947, Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12; for classifiers Dietterich 1998, Approximate statistical tests for comparing
    supervised classification learning algorithms, Neural Computation 10. Here the binomial itself, not its
    approximation by chi-square. Without such rows p is 1.

    Args:
        given: (rows,), the right labels by index.
        first: (rows,), what the first run said.
        other: (rows,), what the other one said.
    """
    from scipy.stats import binomtest

    only_first = int(((first == given) & (other != given)).sum())
    only_other = int(((first != given) & (other == given)).sum())
    differing = only_first + only_other
    return McNemar(only_first, only_other, float(binomtest(only_first, differing).pvalue) if differing else 1.0)
