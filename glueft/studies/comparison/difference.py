"""The difference between two encoders' runs of a task: of other seeds, and of other rows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.studies.tables.statistics import LEVEL, Interval, satterthwaite, t_quantile, variance_of_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Of each split the scores of each run on resamples of its rows, of the first and the other: (runs, resamples) each.
    Resamples = Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Difference:
    """How much higher the mean score of one set of runs is than that of another.

    Attributes:
        difference: the other's mean less the first's.
        seeds: variance of each mean over seeds, with its degrees of freedom; of a single run nothing is known.
        rows: variance by the draw of the rows, as far as it moves all runs alike; None if unknown.
    """

    difference: float
    seeds: Sequence[tuple[float, int]]
    rows: float | None

    @property
    def knows_seeds(self) -> bool:
        """Whether there are two runs or more on each side."""
        return all(freedom > 0 for _, freedom in self.seeds)

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return the interval, by Student's t; None where no spread is known, or there is none.

        See `difference_of` for how often it holds the true difference. Where a side has one run only, it is of other
        rows alone.
        """
        known = [(variance, freedom) for variance, freedom in self.seeds if freedom > 0]
        parts = [*known, (self.rows or 0.0, math.inf)]
        variance = math.fsum(part for part, _ in parts)
        if not variance:
            return None
        freedom = satterthwaite([part for part, _ in parts], [degrees for _, degrees in parts])
        half = t_quantile((1 + level) / 2, freedom) * math.sqrt(variance)
        return self.difference - half, self.difference + half


def difference_of(
    first: Sequence[float],
    other: Sequence[float],
    resamples: Resamples = (),
    overlaps: tuple[float, float] = (0.0, 0.0),
) -> Difference:
    """Return the difference of two sets of runs.

    The mean over other seeds has the variance of the runs over their number; how each run by itself meets these rows is
    a part of it. Other rows also move all runs alike: that part is what a bootstrap of the rows, the same for all runs,
    gives for the difference of the means, less the parts of single runs. The variances add up, with degrees of freedom
    by Satterthwaite 1946: over seeds alone it is Welch's interval.

    Measured on drawn answers to 277 and 1,000 rows, with seeds and rows of more and less weight, the interval holds the
    true difference in 93 to 98 % of cases for 2, 3, 5 and 10 runs, and in 91 to 94 % for 2 against 8. The percentiles
    of a bootstrap of seeds and rows hold it in 78 to 100 %, an interval over the seeds alone in 64 to 99 %.

    Args:
        first, other: the score of each run: where there are several splits, its mean over them.
        resamples: see `Resamples`; () if the rows are not known.
        overlaps: of `interval`, for the runs of each side: those of folds are not independent.
    """
    means = [statistics.fmean(scores) for scores in (first, other)]
    seeds = [
        (variance_of_mean(scores, overlap) or 0.0, len(scores) - 1)
        for scores, overlap in zip((first, other), overlaps, strict=True)
    ]
    rows = sum(map(_common, resamples)) / len(resamples) ** 2 if resamples else None
    return Difference(means[1] - means[0], seeds, rows)


def paired_difference(first: Sequence[float], other: Sequence[float], overlap: float) -> Difference:
    """Return the difference of runs that are paired by the fold that they are scored on.

    Args:
        first, other: the score of each run, in the same order.
        overlap: of `interval`. Its correction is of such differences: Nadeau and Bengio 2003.
    """
    apart = [two - one for one, two in zip(first, other, strict=True)]
    return Difference(statistics.fmean(apart), [(variance_of_mean(apart, overlap) or 0.0, len(apart) - 1)], None)


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """Return the mean of the differences of independent tasks."""
    count = len(differences)
    seeds = [(variance / count**2, freedom) for each in differences for variance, freedom in each.seeds]
    rows = [each.rows / count**2 for each in differences if each.rows is not None]
    mean = statistics.fmean(each.difference for each in differences)
    return Difference(mean, seeds, math.fsum(rows) if len(rows) == count else None)


def _common(resampled: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """The variance of the difference of the means, less that which the runs have each by itself."""
    first, other = resampled
    whole = (other.mean(axis=0) - first.mean(axis=0)).var(ddof=1)
    return max(0.0, float(whole) - _own(first) - _own(other))


def _own(scores: NDArray[np.float64]) -> float:
    """The variance of a mean over runs by how the draw of rows moves each run apart from the others."""
    runs = len(scores)
    if runs < 2:
        return 0.0
    apart = scores - scores.mean(axis=0)
    return float(apart.var(axis=1, ddof=1).mean()) / (runs - 1)
