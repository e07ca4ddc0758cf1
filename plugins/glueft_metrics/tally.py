"""Metrics of labels from a few counts: how often each label is right, predicted and in the references."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import glueft

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Tally(NamedTuple):
    """The counts of each label in each resample, (resamples, labels).

    Attributes:
        right: rows of the label that are predicted right.
        predicted: rows predicted as the label, of a multi-label task with the label.
        actual: rows whose reference is the label, or has it.
        multi_label: whether a row has any number of labels.
    """

    right: Floats
    predicted: Floats
    actual: Floats
    multi_label: bool = False

    @property
    def references(self) -> Floats:
        """The labels in the references of each resample, (resamples,): its rows, where each row has one label."""
        references: Floats = self.actual.sum(axis=1)
        return references


class TallyMetric(glueft.Metric):
    """A metric that the counts determine."""

    def of_tally(self, tally: Tally) -> Floats:
        """Return the metric of each resample, (resamples,); NaN where it is not defined."""
        raise NotImplementedError

    def value(self, predictions: Ints, references: Ints) -> float:
        import numpy as np

        return float(self.resampled(predictions, references, np.ones((1, len(references))))[0])

    def resampled(self, predictions: Ints, references: Ints, counts: Floats) -> Floats:
        """Return the metric of each resample, exactly: the counts are sums over the rows."""
        import numpy as np

        if references.ndim == 2:
            both = predictions & references
            return self.of_tally(Tally(counts @ both, counts @ predictions, counts @ references, multi_label=True))
        labels = np.arange(max(len(self.labels), predictions.max() + 1, references.max() + 1))
        predicted, actual = (column[:, None] == labels for column in (predictions, references))
        return self.of_tally(Tally(counts @ (predicted & actual), counts @ predicted, counts @ actual))


def ratio(above: Floats, below: Floats, otherwise: float = float("nan")) -> Floats:
    """Divide; where the divisor is 0 the ratio is NaN, or another number."""
    import numpy as np

    shares: Floats = np.divide(above, below, out=np.full(np.shape(below), otherwise), where=below > 0)
    return shares
