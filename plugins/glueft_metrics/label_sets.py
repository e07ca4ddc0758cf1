"""Metrics of a multi-label task whose sets of labels are right, or how many of the labels are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats, Ints


class LabelSetMetric(glueft.Metric):
    """A mean over the rows of a number that each row has of its own."""

    suits = "multi_label"

    def of_rows(self, predictions: Ints, references: Ints) -> Floats:
        """Return the number of each row, (rows,)."""
        raise NotImplementedError

    def value(self, predictions: Ints, references: Ints) -> float:
        return float(self.of_rows(predictions, references).mean())

    def resampled(self, predictions: Ints, references: Ints, counts: Floats) -> Floats:
        means: Floats = counts @ self.of_rows(predictions, references) / counts.sum(axis=1)
        return means


class SubsetAccuracy(LabelSetMetric):
    """Share of rows with exactly the right labels, in a multi-label task."""

    name = "subset_accuracy"
    hub_name = "accuracy"
    share_right = True

    def of_rows(self, predictions: Ints, references: Ints) -> Floats:
        right: Floats = (predictions == references).all(axis=1).astype(float)
        return right


class HammingLoss(LabelSetMetric):
    """Share of all labels of all rows that are predicted wrong, too many or too few, in a multi-label task."""

    name = "hamming_loss"
    higher_is_better = False

    def of_rows(self, predictions: Ints, references: Ints) -> Floats:
        wrong: Floats = (predictions != references).mean(axis=1)
        return wrong
