"""How far the difference of two runs would vary on other rows of the same kind: the paired bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.plugin.attribution import attributed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.comparison.rows import ComparedRows
    from glueft.plugin.metric import Metric

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95
# Numbers in the largest array: 32 MB.
_CHUNK = 4_000_000


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
        """Return the percentile interval: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3."""
        import numpy as np

        tail = (1 - level) / 2
        low, high = np.quantile(self.differences, [tail, 1 - tail])
        return float(low), float(high)


@dataclass(frozen=True)
class Resampled:
    """One metric of some runs; NaN where it is not defined.

    Attributes:
        whole: on the rows themselves, (runs,).
        drawn: on resamples of them, the same for all runs, (runs, resamples).
    """

    whole: NDArray[np.float64]
    drawn: NDArray[np.float64]


def metrics_of(rows: ComparedRows, run: int) -> dict[str, float]:
    """Return the metrics of a run, by its number, on the rows themselves."""
    import numpy as np

    return {name: float(np.nan_to_num(found.whole[0])) for name, found in resampled(rows, (run,), resamples=0).items()}


def resampled(
    rows: ComparedRows, runs: Sequence[int], *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Resampled]:
    """Return each metric of some runs, by their numbers, on the rows and on resamples of them.

    Args:
        rows: with the predictions of all runs.
        runs: their numbers.
        resamples: how many; 0 for none.
        seed: of the draws.
    """
    import numpy as np

    found: dict[str, Resampled] = {}
    for metrics, sample in _samples(rows, runs):
        parts: dict[str, list[NDArray[np.float64]]] = {metric.name: [np.empty((len(runs), 0))] for metric in metrics}
        for counts in sample.resamples(resamples, np.random.default_rng(seed)):
            for metric in metrics:
                parts[metric.name].append(_values(metric, sample, counts))
        for metric in metrics:
            whole = _values(metric, sample, sample.counts[None, :])[:, 0]
            found[metric.name] = Resampled(whole, np.concatenate(parts[metric.name], axis=1))
    return {metric.name: found[metric.name] for metric in rows.metrics}


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


@dataclass(frozen=True)
class _Sample:
    """The rows of which some metrics are computed, those that are the same to them as one entry.

    Attributes:
        counts: how many rows each entry stands for, (entries,).
        references: of each entry, (entries,).
        predictions: of each run for each entry, (entries,) or (entries, labels).
        grouped: whether an entry stands for all rows that are the same, not for a single row.
    """

    counts: NDArray[np.float64]
    references: NDArray[Any]
    predictions: tuple[NDArray[Any], ...]
    grouped: bool

    def resamples(self, number: int, random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Draw resamples, in parts that fit into memory: how often each holds each entry, (resamples, entries).

        To draw how many rows of each entry there are is to draw the rows.
        """
        import numpy as np

        rows, entries = int(self.counts.sum()), len(self.counts)
        at_once = max(1, _CHUNK // max(entries, 1))
        for begin in range(0, number, at_once):
            size = min(at_once, number - begin)
            if self.grouped:
                drawn = random.multinomial(rows, self.counts / rows, size=size)
            else:
                picks = random.integers(0, rows, (size, rows)) + rows * np.arange(size)[:, None]
                drawn = np.bincount(picks.ravel(), minlength=size * rows).reshape(size, rows)
            yield drawn.astype(np.float64)


def _samples(rows: ComparedRows, runs: Sequence[int]) -> Iterator[tuple[list[Metric], _Sample]]:
    """Yield the metrics of labels with the different combinations of labels, and the other metrics with the rows."""
    import numpy as np

    of_labels = [metric for metric in rows.metrics if rows.labels and not metric.takes_probabilities]
    others = [metric for metric in rows.metrics if metric not in of_labels]
    if of_labels:
        columns = np.stack([rows.references, *(rows.predictions[run] for run in runs)])
        combinations, counts = np.unique(columns, axis=1, return_counts=True)
        yield of_labels, _Sample(counts.astype(np.float64), combinations[0], tuple(combinations[1:]), True)
    if others:
        columns_of = rows.probabilities if rows.labels else rows.predictions
        each = np.ones(len(rows.references))
        yield others, _Sample(each, rows.references, tuple(columns_of[run] for run in runs), False)


def _values(metric: Metric, sample: _Sample, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a metric of each run on resamples, (runs, resamples); NaN where it is not defined."""
    import numpy as np

    with attributed(metric, "resampled"):
        values = [
            np.asarray(metric.resampled(predictions, sample.references, counts), np.float64)
            for predictions in sample.predictions
        ]
        return np.stack([value.reshape(len(counts)) for value in values])
