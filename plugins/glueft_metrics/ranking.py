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

    def resampled(self, predictions: Floats, references: Ints, counts: Floats) -> Floats:
        """Return the area for each resample; not defined where a label has no rows, or all of them.

        It is the chance that a row of the label ranks above one of the rest, a tie counting half: Hanley & McNeil 1982,
        The meaning and use of the area under a receiver operating characteristic curve, Radiology 143.
        """
        import numpy as np

        labels = predictions.shape[1]
        areas = []
        for label in (1,) if labels == 2 else range(labels):
            hits, drawn = by_score(predictions[:, label], references == label, counts)
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
        """Return the average precision of each resample; not defined where no row has the label.

        The sum of precision times the step in recall, without interpolation, as in scikit-learn.
        """
        import numpy as np

        label = self.positive_label
        hits, drawn = (part[:, ::-1] for part in by_score(predictions[:, label], references == label, counts))
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
