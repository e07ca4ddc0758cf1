"""Accuracy, and Matthews correlation, which corrects it for chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_metrics.glue import GlueValue
from glueft_metrics.tally import Tally, TallyMetric, ratio

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats, Ints


class Accuracy(GlueValue, TallyMetric):
    """Share of rows with the right label."""

    name = "accuracy"
    share_right = True

    def of_tally(self, tally: Tally) -> Floats:
        return ratio(tally.right.sum(axis=1), tally.references)


class MatthewsCorrelation(GlueValue, TallyMetric):
    """Matthews correlation coefficient."""

    name = "matthews_correlation"
    bounds = (-1.0, 1.0)

    def of_tally(self, tally: Tally) -> Floats:
        """Return the coefficient of each resample, for any number of labels.

        Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient; with two labels it
        is that of Matthews 1975.
        """
        import numpy as np

        rows = tally.references
        together = tally.right.sum(axis=1) * rows - (tally.actual * tally.predicted).sum(axis=1)
        actual, predicted = (rows**2 - (count**2).sum(axis=1) for count in (tally.actual, tally.predicted))
        return ratio(together, np.sqrt(actual * predicted))

    def interval(self, predictions: Ints, references: Ints) -> tuple[float, float] | None:
        """Return the interval that the confusion matrix gives, of up to ten labels; else None, for the bootstrap's.

        A bootstrap of few rows is far too narrow where nearly all are right.
        """
        return self.table_interval(predictions, references, most_labels=10)
