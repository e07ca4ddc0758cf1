"""Fits a decision rule to rows that the model was not trained on: a temperature, and thresholds for a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.metrics.decision import PLAIN_THRESHOLD
from glueft.plugin.attribution import attributed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.plugin.metric import Metric

# Values of a metric that are closer are the same number, up to the rounding of its formula.
_SAME = 1e-12


@dataclass(frozen=True)
class TunedThreshold:
    """A threshold and the value of the metric at it; None stands for the plain decision."""

    threshold: float | None
    value: float


def log_loss(logits: NDArray[np.float32], references: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the right labels.

    Args:
        logits: (rows, labels).
        references: the index of the right label, (rows,); or 0 and 1 for each label, (rows, labels), which count as a
            decision each.
        temperature: what the logits are divided by.

    Returns:
        Infinity where a wrong row's is too large a number: never with a temperature from 1e-6 on.
    """
    import numpy as np

    margins = _below_right(logits, references)
    largest = margins.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # Only what is divided last may become infinite: infinity less itself is none.
        sums = largest[:, 0] / temperature + np.log(np.exp((margins - largest) / temperature).sum(axis=1))
    return float(sums.mean())


def tune_temperature(logits: NDArray[np.float32], references: NDArray[np.int64]) -> float | None:
    """Return the temperature at which the negative log-likelihood of the right labels is least.

    Guo, Pleiss, Sun and Weinberger, 2017, "On Calibration of Modern Neural Networks". The likelihood is convex in the
    inverse of the temperature, so that the zero of its derivative is found by bisection, to the last bit.

    Args:
        logits, references: as for `log_loss`.

    Returns:
        None where there is no such temperature: the logits say all rows right, and the lower the better, or they say
        less than equal logits would, and the higher the better.
    """
    import numpy as np

    margins = _below_right(logits, references)

    def derivative(inverse: float) -> float:
        scaled = margins * inverse
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return float(((powers * margins).sum(axis=1) / powers.sum(axis=1)).mean())

    if margins.max() <= 0 or derivative(0.0) >= 0:
        return None
    low = high = 1.0
    while derivative(low) > 0:
        low /= 2
    while derivative(high) < 0:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if derivative(middle) < 0 else (low, middle)
    return 1 / high


def tune_threshold(probabilities: NDArray[np.float64], references: NDArray[np.int64], metric: Metric) -> TunedThreshold:
    """Return the threshold at which a metric is best, of all that give these rows other labels.

    From a threshold on, a row has the metric's positive label. Of equally good ones it is the nearest to 0.5, which is
    the plain decision. It lies in the middle between two probabilities, so that the last digit of one decides nothing.

    Args:
        probabilities: of the positive label, (rows,).
        references: the index of the right label, (rows,).
        metric: of the labels of a two-label task.

    Raises:
        PluginError: the metric fails.
    """
    import numpy as np

    positive = metric.positive_label
    right = references == positive
    distinct, place = np.unique(probabilities, return_inverse=True)
    # Rows of the positive label and of the other one at each distinct probability, and from there up.
    counts = np.stack([np.bincount(place, weights=part, minlength=len(distinct)) for part in (~right, right)], axis=1)
    called = np.cumsum(counts[::-1], axis=0)[::-1]
    below = np.concatenate([[0.0], distinct[:-1]])
    if distinct[-1] < 1:  # No row has the positive label.
        called = np.concatenate([called, np.zeros((1, 2))])
        below, distinct = np.append(below, distinct[-1]), np.append(distinct, 1.0)
    others = counts.sum(axis=0) - called
    with attributed(metric, "resampled"):
        values = metric.resampled(
            np.array([1 - positive, 1 - positive, positive, positive]),
            np.array([1 - positive, positive, 1 - positive, positive]),
            np.concatenate([others, called], axis=1),
        )
        values = np.asarray(values, np.float64).reshape(len(distinct))
    if metric.higher_is_better:
        values = np.nan_to_num(values, nan=0.0)  # As `compute_metrics` has it.
        good = np.flatnonzero(values >= values.max() - _SAME)
    else:
        values = np.where(np.isnan(values), np.inf, values)
        good = np.flatnonzero(values <= values.min() + _SAME)
    thresholds = below[good] + (distinct[good] - below[good]) / 2
    thresholds = np.where(thresholds > below[good], thresholds, distinct[good])
    plain = (below[good] < PLAIN_THRESHOLD) & (distinct[good] > PLAIN_THRESHOLD)
    thresholds[plain] = PLAIN_THRESHOLD
    nearest = int(np.abs(thresholds - PLAIN_THRESHOLD).argmin())
    threshold = None if plain[nearest] else float(thresholds[nearest])
    return TunedThreshold(threshold, float(values[good[nearest]]))


def tune_thresholds(
    probabilities: NDArray[np.float64], references: NDArray[np.int64], metric: type[Metric], labels: Sequence[str]
) -> tuple[float, ...]:
    """Return the threshold of each label of a multi-label task, at which the metric of that label is best.

    Each is tuned by itself, as that of a task of two labels, with and without it: see `tune_threshold`. A label that no
    row has keeps that of the plain decision.

    Args:
        probabilities: (rows, labels).
        references: 0 and 1, (rows, labels).
        metric: of two-label tasks.
        labels: the names.

    Raises:
        PluginError: the metric fails.
    """
    tuned = []
    for label, shares, right in zip(labels, probabilities.T, references.T, strict=True):
        found = tune_threshold(shares, right, of_label(metric, label)).threshold if right.any() else None
        tuned.append(PLAIN_THRESHOLD if found is None else found)
    return tuple(tuned)


def of_label(metric: type[Metric], label: str) -> Metric:
    """Return a metric of two-label tasks for one label of a multi-label task: 1 with it, 0 without."""
    return metric((f"not {label}", label), 1)


def _below_right(logits: NDArray[np.float32], references: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each logit minus that of the right label, (rows, labels).

    In a multi-label task each label of a row is a decision between two logits, 0 without it and its own with it, since
    sigmoid(z) = softmax(0, z): (rows * labels, 2).
    """
    import numpy as np

    exact = logits.astype("float64")
    if references.ndim == 2:
        exact = np.stack([np.zeros(exact.size), exact.ravel()], axis=1)
        references = references.ravel()
    margins: NDArray[np.float64] = exact - np.take_along_axis(exact, references[:, None], axis=1)
    return margins
