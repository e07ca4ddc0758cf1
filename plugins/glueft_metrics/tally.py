"""Metrics of labels from a few counts: how often each label is right, predicted and in the references."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import glueft

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


# Of the tables that an interval is drawn from.
_DRAWS, _SEED = 10_000, 0


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

    def table_interval(self, predictions: Ints, references: Ints, *, most_labels: int) -> tuple[float, float] | None:
        """Return the 95 % credible interval of the metric, from confusion matrices that may be behind the counted one.

        Their shares are drawn from the Dirichlet distribution that the counts and Perks's prior give, one row spread
        over all cells: Caelen, 2017, "A Bayesian interpretation of the confusion matrix"; Perks, 1947, "Some
        observations on inverse probability including a new indifference rule". Unlike a resample of the rows, a draw
        has mistakes of kinds that few rows do not show. The ends reach to the value itself where it is beyond them.

        Args:
            predictions, references: as for `value`.
            most_labels: there is none of a task with more labels; their many empty cells would need another prior.

        Returns:
            The low end and the high one. None for more labels, for any number of labels a row, and where all
            references are the same label: nothing is known of the others.
        """
        import numpy as np

        labels = len(self.labels)
        if references.ndim == 2 or labels > most_labels or (references == references[0]).all():
            return None
        counts = np.bincount(references * labels + predictions, minlength=labels**2)
        weights = np.random.default_rng(_SEED).standard_gamma(counts + 1 / labels**2, (_DRAWS, labels**2))
        tables = np.concatenate([counts[None, :], weights]).reshape(-1, labels, labels)
        # Shares and weights are the same to a metric: it is of ratios.
        tally = Tally(np.einsum("kll->kl", tables), tables.sum(axis=1), tables.sum(axis=2))
        value, *drawn = np.nan_to_num(self.of_tally(tally))
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(min(low, value)), float(max(high, value))


def ratio(above: Floats, below: Floats, otherwise: float = float("nan")) -> Floats:
    """Divide; where the divisor is 0 the ratio is NaN, or another number."""
    import numpy as np

    shares: Floats = np.divide(above, below, out=np.full(np.shape(below), otherwise), where=below > 0)
    return shares
