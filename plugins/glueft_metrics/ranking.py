"""Metrics of how well probabilities rank the rows, without a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft
from glueft_metrics.tally import ratio

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats, Ints


class RankingMetric(glueft.Metric):
    """A metric of probabilities; its value is that of one resample which holds each row once."""

    takes_probabilities = True

    def value(self, predictions: Floats, references: Ints) -> float:
        import numpy as np

        return float(self.resampled(predictions, references, np.ones((1, len(references))))[0])


class RocAUC(RankingMetric):
    """Area under the ROC curve; with more than two labels the mean of each label against the rest."""

    name = "roc_auc"
    suits = ("labels", "multi_label")

    def resampled(self, predictions: Floats, references: Ints, counts: Floats) -> Floats:
        """Return the area for each resample; not defined where a label has no rows, or all of them.

        It is the chance that a row of the label ranks above one of the rest, a tie counting half: Hanley & McNeil 1982,
        The meaning and use of the area under a receiver operating characteristic curve, Radiology 143.
        """
        import numpy as np

        labels = predictions.shape[1]
        areas = []
        for label in (1,) if labels == 2 and references.ndim == 1 else range(labels):
            has = references == label if references.ndim == 1 else references[:, label] == 1
            hits, drawn = by_score(predictions[:, label], has, counts)
            misses = drawn - hits
            below = np.cumsum(misses, axis=1) - misses / 2
            areas.append(ratio((hits * below).sum(axis=1), hits.sum(axis=1) * misses.sum(axis=1)))
        mean: Floats = np.mean(areas, axis=0)
        return mean


class AveragePrecision(RankingMetric):
    """Mean precision over the recall levels of the positive label, in a two-label task."""

    name = "average_precision"
    of_positive_label = True

    def resampled(self, predictions: Floats, references: Ints, counts: Floats) -> Floats:
        """Return the average precision of each resample; not defined where no row has the label."""
        label = self.positive_label
        return average_precision(predictions[:, label], references == label, counts)


class MacroAveragePrecision(RankingMetric):
    """Mean of the average precision of each label, in a multi-label task."""

    name = "macro_average_precision"
    suits = "multi_label"
    hub_name = "average_precision"

    def resampled(self, predictions: Floats, references: Ints, counts: Floats) -> Floats:
        """Return the mean of each resample. A label that no row has counts as 0, as in scikit-learn."""
        import numpy as np

        labels = range(predictions.shape[1])
        each = [average_precision(predictions[:, label], references[:, label] == 1, counts) for label in labels]
        means: Floats = np.nan_to_num(each).mean(axis=0)
        return means


class LabelRankingAveragePrecision(RankingMetric):
    """How far the labels of a row rank above its others, in a multi-label task; 1 is above all of them."""

    name = "label_ranking_average_precision"
    suits = "multi_label"

    def resampled(self, predictions: Floats, references: Ints, counts: Floats) -> Floats:
        """Return the mean over the rows of each resample.

        Of a row it is the mean, over its labels, of the share of its labels among those that rank as high or higher; 1
        for a row with all labels or none. Tsoumakas, Katakis & Vlahavas 2010, Mining Multi-label Data.
        """
        import numpy as np

        has = references == 1
        sums = np.zeros(len(predictions))
        for label in range(predictions.shape[1]):
            as_high = predictions >= predictions[:, [label]]
            sums += has[:, label] * ratio((as_high & has).sum(axis=1), as_high.sum(axis=1))
        of_rows = ratio(sums, has.sum(axis=1), otherwise=1.0)
        means: Floats = counts @ of_rows / counts.sum(axis=1)
        return means


def average_precision(scores: Floats, positive: Any, counts: Floats) -> Floats:
    """Return the average precision of each resample, (resamples,); NaN where no row is positive.

    The sum of precision times the step in recall, without interpolation, as in scikit-learn.
    """
    import numpy as np

    hits, drawn = (part[:, ::-1] for part in by_score(scores, positive, counts))
    precision = ratio(np.cumsum(hits, axis=1), np.cumsum(drawn, axis=1), otherwise=0.0)
    return ratio((hits * precision).sum(axis=1), hits.sum(axis=1))


def by_score(scores: Floats, positive: Any, counts: Floats) -> tuple[Floats, Floats]:
    """Return how often each different score is drawn with a positive row, and at all, from the lowest score up.

    Args:
        scores: (rows,).
        positive: whether each row has the label, (rows,).
        counts: (resamples, rows).

    Returns:
        Two arrays (resamples, different scores).
    """
    import numpy as np

    order = np.argsort(scores, kind="stable")
    begins = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    drawn = counts[:, order]
    return np.add.reduceat(drawn * positive[order], begins, axis=1), np.add.reduceat(drawn, begins, axis=1)
