"""How far the difference of two runs would vary on other rows of the same kind: the paired bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.metrics import bootstrap
from glueft.metrics.bootstrap import LEVEL, RESAMPLES, SEED, Resampled, percentiles
from glueft.metrics.decision import Decided

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.comparison.rows import ComparedRows


@dataclass(frozen=True)
class Difference:
    """One metric of a run less that of the first.

    Attributes:
        difference: on the rows themselves.
        differences: on each resample, sorted, (resamples,).
        undefined: the resamples on which the metric is not defined for one of the two, and counts as 0.
    """

    difference: float
    differences: NDArray[np.float64]
    undefined: int

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the percentile interval."""
        return percentiles(self.differences, level)


def metrics_of(rows: ComparedRows, run: int) -> dict[str, float]:
    """Return the metrics of a run, by its number, on the rows themselves."""
    import numpy as np

    return {name: float(np.nan_to_num(found.whole[0])) for name, found in resampled(rows, (run,), resamples=0).items()}


def resampled(
    rows: ComparedRows, runs: Sequence[int], *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Resampled]:
    """Return each metric of some runs, by their numbers, on the rows and on resamples of them."""
    predictions = [
        Decided(rows.predictions[run], rows.probabilities[run]) if rows.labels else rows.predictions[run]
        for run in runs
    ]
    return bootstrap.resampled(rows.metrics, predictions, rows.references, resamples=resamples, seed=seed)


def paired_bootstrap(
    rows: ComparedRows, run: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Difference]:
    """Return each metric's difference of a run to the first one, on the rows and on resamples of them.

    Both runs are measured on the same resamples: Efron & Tibshirani 1993; for systems that answer the same questions
    Koehn 2004, Statistical Significance Tests for Machine Translation Evaluation. The numbers do not depend on what
    else is compared.

    Args:
        rows: with the predictions of all runs.
        run: the number of the other one.
        resamples: how many; 10,000 of 1,500 rows take some seconds for correlations, else a moment.
        seed: of the draws.
    """
    import numpy as np

    found = {}
    for name, values in resampled(rows, (0, run), resamples=resamples, seed=seed).items():
        whole, drawn = np.nan_to_num(values.whole), np.nan_to_num(values.drawn)
        undefined = int(np.isnan(values.drawn).any(axis=0).sum())
        found[name] = Difference(float(whole[1] - whole[0]), np.sort(drawn[1] - drawn[0]), undefined)
    return found
