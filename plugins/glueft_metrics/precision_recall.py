"""Precision and recall: of the positive label of a two-label task, and of all labels of a multi-label task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_metrics.tally import Tally, TallyMetric, ratio

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats, Ints


class Precision(TallyMetric):
    """Share of the rows predicted as the positive label that have it, in a two-label task."""

    name = "precision"
    of_positive_label = True

    def of_tally(self, tally: Tally) -> Floats:
        """Return the precision of each resample; not defined where no row is predicted as the label."""
        return ratio(tally.right[:, self.positive_label], tally.predicted[:, self.positive_label])

    def interval(self, predictions: Ints, references: Ints) -> tuple[float, float]:
        """Return Wilson's interval: it is a share of the rows predicted as the label."""
        of, right = predictions == self.positive_label, predictions == references
        return self.share_interval(int((of & right).sum()), int(of.sum()))


class Recall(TallyMetric):
    """Share of the rows with the positive label that are predicted as it, in a two-label task."""

    name = "recall"
    of_positive_label = True

    def of_tally(self, tally: Tally) -> Floats:
        """Return the recall of each resample; not defined where no row has the label."""
        return ratio(tally.right[:, self.positive_label], tally.actual[:, self.positive_label])

    def interval(self, predictions: Ints, references: Ints) -> tuple[float, float]:
        """Return Wilson's interval: it is a share of the rows that have the label."""
        of, right = references == self.positive_label, predictions == references
        return self.share_interval(int((of & right).sum()), int(of.sum()))


class MicroPrecision(TallyMetric):
    """Share of the predicted labels of all rows that are right, in a multi-label task."""

    name = "micro_precision"
    suits = "multi_label"
    hub_name = "precision"

    def of_tally(self, tally: Tally) -> Floats:
        """Return the precision of each resample; not defined where no label is predicted."""
        return ratio(tally.right.sum(axis=1), tally.predicted.sum(axis=1))


class MicroRecall(TallyMetric):
    """Share of the labels of all rows that are predicted, in a multi-label task."""

    name = "micro_recall"
    suits = "multi_label"
    hub_name = "recall"

    def of_tally(self, tally: Tally) -> Floats:
        """Return the recall of each resample; not defined where no row has a label."""
        return ratio(tally.right.sum(axis=1), tally.references)
