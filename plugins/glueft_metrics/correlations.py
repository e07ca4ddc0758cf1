"""Correlations of predicted scores with the references, as scipy has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_metrics.glue import GlueValue
from glueft_metrics.tally import ratio

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats


class Pearson(GlueValue):
    """Pearson correlation of predicted scores and references."""

    name = "pearson"
    suits = "scores"
    bounds = (-1.0, 1.0)
    hub_name = "pearsonr"

    def resampled(self, predictions: Floats, references: Floats, counts: Floats) -> Floats:
        """Return the coefficient of each resample; not defined where a column is constant."""
        return correlation(counts, *((column - column.mean())[None, :] for column in (references, predictions)))


class Spearman(GlueValue):
    """Spearman rank correlation of predicted scores and references."""

    name = "spearmanr"
    suits = "scores"
    bounds = (-1.0, 1.0)

    def resampled(self, predictions: Floats, references: Floats, counts: Floats) -> Floats:
        """Return the coefficient of each resample: Pearson's of the ranks."""
        return correlation(counts, ranks(counts, references), ranks(counts, predictions))


def ranks(counts: Floats, column: Floats) -> Floats:
    """Return the rank of each row's value in each resample, less the mean rank, (resamples, rows).

    Equal values share the mean of their ranks, as in `scipy.stats.rankdata`: a value that is drawn w times, after s
    smaller ones, has the ranks s + 1 to s + w, whose mean is s + (w + 1) / 2.
    """
    import numpy as np

    values, place = np.unique(column, return_inverse=True)
    drawn = np.zeros((len(counts), len(values)))
    if len(values) == len(column):
        drawn[:, place] = counts
    else:
        order = np.argsort(place, kind="stable")
        drawn[:] = np.add.reduceat(counts[:, order], np.searchsorted(place[order], np.arange(len(values))), axis=1)
    found = np.cumsum(drawn, axis=1) - drawn / 2
    found -= counts.sum(axis=1, keepdims=True) / 2  # The halves of (w + 1) / 2 and of the mean (n + 1) / 2 cancel.
    return found[:, place]


def correlation(counts: Floats, first: Floats, second: Floats) -> Floats:
    """Return Pearson's correlation in each resample, (resamples,); NaN where a column is constant.

    Args:
        counts: how often each row was drawn, (resamples, rows).
        first: (resamples, rows), or (1, rows) where it is the same in all.
        second: likewise.
    """
    import numpy as np

    rows = counts.sum(axis=1)

    def total(*columns: Floats) -> Floats:
        if all(len(column) == 1 for column in columns):
            return counts @ np.prod([column[0] for column in columns], axis=0)  # type: ignore[no-any-return]
        return np.einsum(",".join(["ij"] * (1 + len(columns))) + "->i", counts, *columns)  # type: ignore[no-any-return]

    sums = [total(column) for column in (first, second)]
    together = total(first, second) - sums[0] * sums[1] / rows
    spreads = []
    for column, sum_ in zip((first, second), sums, strict=True):
        spread = total(column, column) - sum_**2 / rows
        # What rounding leaves of the spread of a constant: far below that of any two values a file can tell apart.
        spreads.append(np.where(spread > 1e-13 * rows * (column**2).max(initial=1e-300), spread, 0))
    return np.clip(ratio(together, np.sqrt(spreads[0] * spreads[1])), -1, 1)
