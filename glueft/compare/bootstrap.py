"""How far the difference of two runs would vary on other rows of the same kind: the paired bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.compare.resampled_metrics import Scores, label_metrics, score_metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.compare.answers import Answers

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95
# Of numbers in the largest array: 32 MB of them.
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


def metrics_of(answers: Answers, run: int) -> dict[str, float]:
    """Return the metrics of a run on the rows themselves.

    Args:
        answers: of all runs.
        run: its number.
    """
    scores = _scores(answers, (run,), _once(answers, (run,)))[0]
    return {name: float(score.values[0]) for name, score in scores.items()}


def paired_bootstrap(
    answers: Answers, run: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Difference]:
    """Return each metric's difference of a run to the first one, on the rows and on resamples of them.

    Both runs are measured on the same resamples: Efron & Tibshirani 1993; for systems that answer the same questions
    Koehn 2004, Statistical Significance Tests for Machine Translation Evaluation. The numbers do not depend on what
    else is compared.

    Args:
        answers: of all runs.
        run: the number of the other one.
        resamples: how many; their draws take 10,000 of 1,500 rows some seconds for correlations, else a moment.
        seed: of the draws.
    """
    import numpy as np

    pair = (0, run)
    parts: list[list[dict[str, Scores]]] = [
        _scores(answers, pair, kinds) for kinds in _resampled(answers, pair, resamples, np.random.default_rng(seed))
    ]
    once = _scores(answers, pair, _once(answers, pair))
    found = {}
    for name in answers.metrics:
        first, second = (np.concatenate([part[which][name].values for part in parts]) for which in (0, 1))
        defined = np.concatenate([part[0][name].defined & part[1][name].defined for part in parts])
        found[name] = Difference(
            float(once[1][name].values[0] - once[0][name].values[0]),
            np.sort(second - first),
            int(len(defined) - defined.sum()),
        )
    return found


@dataclass(frozen=True)
class _Kinds:
    """How often each kind of row is there: with labels a kind is what was given and said, in regression a row."""

    counts: NDArray[np.float64]
    given: NDArray[Any]
    said: tuple[NDArray[Any], ...]


def _kinds(
    answers: Answers, runs: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[Any], tuple[NDArray[Any], ...]]:
    """The number of rows of each kind, and the given and the said of each kind."""
    import numpy as np

    columns = np.stack([answers.given, *(answers.said[run] for run in runs)])
    if not answers.labels:
        return np.ones(columns.shape[1]), columns[0], tuple(columns[1:])
    kinds, counts = np.unique(columns, axis=1, return_counts=True)
    return counts.astype(np.float64), kinds[0], tuple(kinds[1:])


def _once(answers: Answers, runs: tuple[int, ...]) -> _Kinds:
    counts, given, said = _kinds(answers, runs)
    return _Kinds(counts[None, :], given, said)


def _resampled(
    answers: Answers, runs: tuple[int, ...], resamples: int, random: np.random.Generator
) -> Iterator[_Kinds]:
    """Draw the resamples, in parts that fit into memory.

    Rows of one kind are all the same to the metrics: drawing how many of each kind there are is drawing the rows.
    """
    import numpy as np

    counts, given, said = _kinds(answers, runs)
    rows, kinds = int(counts.sum()), len(counts)
    at_once = max(1, _CHUNK // max(kinds, 1))
    for begin in range(0, resamples, at_once):
        size = min(at_once, resamples - begin)
        if answers.labels:
            drawn = random.multinomial(rows, counts / rows, size=size)
        else:
            picks = random.integers(0, rows, (size, rows)) + rows * np.arange(size)[:, None]
            drawn = np.bincount(picks.ravel(), minlength=size * rows).reshape(size, rows)
        yield _Kinds(drawn.astype(np.float64), given, said)


def _scores(answers: Answers, runs: tuple[int, ...], kinds: _Kinds) -> list[dict[str, Scores]]:
    if not answers.labels:
        return score_metrics(answers.metrics, kinds.counts, kinds.given, kinds.said)
    return [
        label_metrics(
            answers.metrics,
            kinds.counts,
            kinds.given,
            said,
            len(answers.labels),
            positive_label=answers.positive_label,
        )
        for said in kinds.said
    ]
