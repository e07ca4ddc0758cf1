"""F1, the harmonic mean of precision and recall: of one label, and means over the labels.

2 TP / (2 TP + FP + FN): van Rijsbergen 1979, Information Retrieval, chapter 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft_metrics.glue import GlueValue
from glueft_metrics.tally import Tally, TallyMetric, ratio

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats, Ints


class F1(GlueValue, TallyMetric):
    """F1 of one label of a two-label task: the second (index 1), unless the task's `positive_label` is another."""

    name = "f1"
    of_positive_label = True

    def of_tally(self, tally: Tally) -> Floats:
        """Return F1 of each resample; not defined where the label is neither predicted nor in the references."""
        right, predicted, actual = (count[:, self.positive_label] for count in tally[:3])
        return ratio(2 * right, actual + predicted)

    def interval(self, predictions: Ints, references: Ints) -> tuple[float, float]:
        """Return Wilson's interval of the share p = TP / (TP + FP + FN), as F1 is 2 p / (1 + p).

        Lam, Gopal and Qian, 2023, "Confidence Intervals for the F1 Score: A Comparison of Four Methods" (the indirect
        method), arXiv 2309.14621.
        """
        predicted, actual = predictions == self.positive_label, references == self.positive_label
        low, high = self.share_interval(int((predicted & actual).sum()), int((predicted | actual).sum()))
        return 2 * low / (1 + low), 2 * high / (1 + high)


class F1Macro(GlueValue, TallyMetric):
    """Mean of the F1 of each label that is predicted or in the references; in multi-label tasks of each label."""

    name = "f1_macro"
    suits = ("labels", "multi_label")
    hub_name = "f1"

    def value(self, predictions: Ints, references: Ints) -> float:
        # GLUE's own takes one label a row.
        return (GlueValue if references.ndim == 1 else TallyMetric).value(self, predictions, references)

    def of_tally(self, tally: Tally) -> Floats:
        """Return the mean of each resample. The F1 of a multi-label task's label that is nowhere counts as 0.

        Both are as scikit-learn has them, which sees the labels of a multi-label task in the columns.
        """
        there = (tally.actual + tally.predicted > 0) | tally.multi_label
        return ratio(f1_of_labels(tally).sum(axis=1), there.sum(axis=1).astype(float))

    def interval(self, predictions: Ints, references: Ints) -> tuple[float, float] | None:
        """Return the interval that the confusion matrix of two labels gives; of more None, for the bootstrap's."""
        return self.table_interval(predictions, references, most_labels=2)


class MacroF1(F1Macro):
    """The same as f1_macro: the mean of the F1 of each label."""

    name = "macro_f1"
    glue_name = "f1_macro"


class MicroF1(TallyMetric):
    """F1 of the counts of all labels together; where each row has one label, the same as accuracy."""

    name = "micro_f1"
    suits = ("labels", "multi_label")
    hub_name = "f1"
    share_right = "labels"

    def of_tally(self, tally: Tally) -> Floats:
        """Return the F1 of each resample; not defined where no label is predicted or in the references."""
        return ratio(2 * tally.right.sum(axis=1), tally.references + tally.predicted.sum(axis=1))


class WeightedF1(TallyMetric):
    """Mean of the F1 of each label, weighted by its share of the references."""

    name = "weighted_f1"
    suits = ("labels", "multi_label")
    hub_name = "f1"

    def of_tally(self, tally: Tally) -> Floats:
        return ratio((f1_of_labels(tally) * tally.actual).sum(axis=1), tally.references)


def f1_of_labels(tally: Tally) -> Floats:
    """Return F1 of each label in each resample, (resamples, labels); 0 for a label that is nowhere."""
    return ratio(2 * tally.right, tally.actual + tally.predicted, otherwise=0.0)
