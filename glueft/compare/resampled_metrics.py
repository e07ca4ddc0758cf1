"""The metrics on many resamples of the same rows at once.

A resample draws rows with replacement. It is told here by how often it has each row, so that one product of matrices
gives the sums of thousands of resamples. The numbers are those of `glueft.metrics`: a metric that a resample leaves
undefined (F1 without a row of the second label given or said, a correlation with a constant) counts as 0 there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """One metric on each resample.

    Attributes:
        values: (resamples,).
        defined: (resamples,), False where the metric is not defined, and 0 by convention.
    """

    values: Floats
    defined: Bools


def label_metrics(
    names: Sequence[str], counts: Floats, given: Ints, said: Ints, labels: int, *, positive_label: int = 1
) -> dict[str, Scores]:
    """Return accuracy, F1, macro F1 and Matthews correlation of each resample.

    Args:
        names: the metrics that are wanted.
        counts: (resamples, kinds), how often each kind of row was drawn.
        given: (kinds,), the right label of each kind of row, by index.
        said: (kinds,), what the run said.
        labels: how many there are.
        positive_label: the index of the one that F1 is of.
    """
    import numpy as np

    rows = counts.sum(axis=1)
    right = counts @ (given == said)
    was_given, was_said = (counts @ (column[:, None] == np.arange(labels)) for column in (given, said))
    scores = {}
    for name in names:
        if name == "accuracy":
            scores[name] = _ratio(right, rows)
        elif name == "f1":
            # 2 TP / (2 TP + FP + FN): van Rijsbergen 1979, Information Retrieval, chapter 7.
            found = counts @ ((given == positive_label) & (said == positive_label))
            scores[name] = _ratio(2 * found, was_given[:, positive_label] + was_said[:, positive_label])
        elif name == "f1_macro":
            # Of the labels that a resample has, given or said; as scikit-learn has it.
            found = counts @ ((given == said)[:, None] & (given[:, None] == np.arange(labels)))
            there = was_given + was_said
            each = np.divide(2 * found, there, out=np.zeros_like(there), where=there > 0)
            scores[name] = _ratio(each.sum(axis=1), (there > 0).sum(axis=1).astype(np.float64))
        else:
            # Of any number of labels: Gorodkin 2004, Comparing two K-category assignments by a K-category
            # correlation coefficient; with two labels Matthews 1975.
            together = right * rows - (was_given * was_said).sum(axis=1)
            spread_given, spread_said = (rows**2 - (share**2).sum(axis=1) for share in (was_given, was_said))
            scores[name] = _ratio(together, np.sqrt(spread_given * spread_said))
    return scores


def score_metrics(
    names: Sequence[str], counts: Floats, given: Floats, said: Sequence[Floats]
) -> list[dict[str, Scores]]:
    """Return correlations and errors of each resample, for each of several runs.

    Args:
        names: the metrics that are wanted.
        counts: (resamples, rows), how often each row was drawn.
        given: (rows,), the right scores.
        said: for each run (rows,), what it said.
    """
    import numpy as np

    results: list[dict[str, Scores]] = [{} for _ in said]
    for name in names:
        if name in ("mae", "rmse"):
            rows = counts.sum(axis=1)
            for result, column in zip(results, said, strict=True):
                errors = np.abs(column - given)
                mean = _ratio(counts @ (errors if name == "mae" else errors**2), rows)
                result[name] = Scores(mean.values if name == "mae" else np.sqrt(mean.values), mean.defined)
            continue
        if name == "pearson":
            columns = [column - column.mean() for column in (given, *said)]
            right, *guesses = (column[None, :] for column in columns)
        else:
            right, *guesses = (_ranks(counts, column) for column in (given, *said))
        for result, guess in zip(results, guesses, strict=True):
            result[name] = _correlation(counts, right, guess)
    return results


def _ranks(counts: Floats, column: Floats) -> Floats:
    """The rank of each row's value in each resample, (resamples, rows), less the mean rank.

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
    ranks = np.cumsum(drawn, axis=1) - drawn / 2
    ranks -= counts.sum(axis=1, keepdims=True) / 2  # The halves of (w + 1) / 2 and of the mean (n + 1) / 2 cancel.
    return ranks[:, place]


def _correlation(counts: Floats, first: Floats, second: Floats) -> Scores:
    """Pearson's correlation; each column is (resamples, rows), or (1, rows) where it is the same in all."""
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
    scores = _ratio(together, np.sqrt(spreads[0] * spreads[1]))
    return Scores(np.clip(scores.values, -1, 1), scores.defined)


def _ratio(above: Floats, below: Floats) -> Scores:
    import numpy as np

    defined = below > 0
    return Scores(np.divide(above, below, out=np.zeros(len(below)), where=defined), defined)
