"""Predictions -> what the page shows of them: confusion matrix, confidence, calibration and mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.metrics.decision import unscaled
from glueft.metrics.label_sets import read_sets
from glueft.plugin.wilson import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.runs.predictions import Predictions

CALIBRATION_BINS = 10
# More are not drawn, as a matrix or one by one.
DRAWN_LABELS = 24


@dataclass(frozen=True)
class Classified:
    """The predictions of one split of a classification.

    Attributes:
        labels: the label names in index order.
        true: index of the reference label, (rows,), -1 where a row has none.
        predicted: index of the predicted label, (rows,).
        confidence: probability of the predicted label, (rows,).
        unit: what is counted.
    """

    labels: tuple[str, ...]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    unit: str = "rows"

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label, (rows,)."""
        return self.true >= 0

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which rows have a label other than the predicted one, (rows,)."""
        wrong: NDArray[np.bool_] = self.labelled & (self.true != self.predicted)
        return wrong


def classified(predictions: Predictions, labels: Sequence[str]) -> Classified:
    index = {"": -1} | {label: position for position, label in enumerate(labels)}
    predicted = np.array([index[label] for label in predictions.predictions], np.int64)
    return Classified(
        tuple(labels),
        np.array([index[label] for label in predictions.labels], np.int64),
        predicted,
        predictions.probabilities[np.arange(len(predicted)), predicted],
    )


@dataclass(frozen=True)
class LabelSets:
    """The predictions of one split of a multi-label task.

    Attributes:
        labels: the label names in index order.
        true: whether a row's reference has each label, 0 or 1, (rows, labels); -1 throughout where there is none.
        predicted: whether the prediction has it, 0 or 1, (rows, labels).
        probabilities: of each label, (rows, labels).
    """

    labels: tuple[str, ...]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a reference, (rows,)."""
        known: NDArray[np.bool_] = self.true.min(axis=1) >= 0
        return known

    @property
    def wrong_labels(self) -> NDArray[np.bool_]:
        """Which labels are missed or too many, (rows, labels)."""
        wrong: NDArray[np.bool_] = self.labelled[:, None] & (self.true != self.predicted)
        return wrong

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which rows have other labels than the predicted ones, (rows,)."""
        wrong: NDArray[np.bool_] = self.wrong_labels.max(axis=1)
        return wrong

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of what was decided of each label: that it is there, or that it is not, (rows, labels)."""
        return np.where(self.predicted == 1, self.probabilities, 1 - self.probabilities)

    def decisions(self) -> Classified:
        """Return each label of each row as a decision of its own, between not having it and having it."""
        true, predicted, confidence = self.true.ravel(), self.predicted.ravel(), self.confidence.ravel()
        return Classified(("without", "with"), true, predicted, confidence, "label decisions")


def label_sets(predictions: Predictions, labels: Sequence[str]) -> LabelSets:
    true, predicted = (read_sets(texts, labels) for texts in (predictions.labels, predictions.predictions))
    return LabelSets(tuple(labels), true, predicted, predictions.probabilities)


def at_temperature_1(scores: Classified, predictions: Predictions, temperature: float) -> Classified:
    """Return the same labels with their probabilities at temperature 1, where those of `predictions` are of another."""
    shares = unscaled(predictions.probabilities, temperature)
    return replace(scores, confidence=shares[np.arange(len(shares)), scores.predicted])


def label_sets_at_temperature_1(scores: LabelSets, temperature: float) -> LabelSets:
    """Return the same labels with their probabilities at temperature 1, where they are at another one."""
    return replace(scores, probabilities=unscaled(scores.probabilities, temperature, multi_label=True))


def confusion(scores: Classified) -> NDArray[np.int64]:
    """Return the confusion matrix: rows by true label (row) and predicted label (column)."""
    size = len(scores.labels)
    known = scores.labelled
    return np.bincount(scores.true[known] * size + scores.predicted[known], minlength=size * size).reshape(size, size)


@dataclass(frozen=True)
class Bin:
    """Rows whose confidence lies in (low, high].

    Attributes:
        rows: how many.
        confidence: their mean confidence; NaN without rows.
        accuracy: the share that is right; NaN without rows.
        interval: Wilson's 95 % interval of that share.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


def calibration(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> tuple[list[Bin], float]:
    """Return the bins of a calibration curve, and the expected calibration error.

    The error is the mean over all rows of |accuracy - mean confidence| of the row's bin, over bins of equal width:
    Guo, Pleiss, Sun and Weinberger, 2017, "On Calibration of Modern Neural Networks", equation 3.

    Args:
        confidence: probability of the predicted label, (rows,), one row at least.
        right: whether it is the true one, (rows,).
        bins: how many.
    """
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        rows, hits = int(inside.sum()), int(right[inside].sum())
        mean = float(confidence[inside].mean()) if rows else math.nan
        accuracy = hits / rows if rows else math.nan
        found.append(Bin(index / bins, (index + 1) / bins, rows, mean, accuracy, wilson(hits, rows)))
    gaps = [item.rows * abs(item.accuracy - item.confidence) for item in found if item.rows]
    return found, sum(gaps) / len(confidence)


@dataclass(frozen=True)
class Regressed:
    """The predictions of one split of a regression: scores, (rows,); `true` is NaN where a row has none."""

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a score, (rows,)."""
        return ~np.isnan(self.true)

    @property
    def error(self) -> NDArray[np.float64]:
        """Predicted minus true score, (rows,)."""
        return self.predicted - self.true


def regressed(predictions: Predictions) -> Regressed:
    true = [float(label) if label else math.nan for label in predictions.labels]
    return Regressed(np.array(true), np.array([float(score) for score in predictions.predictions]))


def worst(scores: Classified | LabelSets | Regressed, most: int) -> tuple[list[int], int]:
    """Return the worst predictions, `most` at most, and how many there are to choose from.

    In a classification these are the rows with a wrong label, the most confident first, by the surest wrong one of
    several; in a regression those with the largest absolute error. Ties keep their order.
    """
    badness: NDArray[Any]
    if isinstance(scores, Classified):
        rows, badness = np.flatnonzero(scores.wrong), scores.confidence
    elif isinstance(scores, LabelSets):
        rows, badness = np.flatnonzero(scores.wrong), surest_wrong(scores)
    else:
        rows = np.flatnonzero(scores.labelled)
        badness = np.abs(scores.error)
    order = rows[np.argsort(-badness[rows], kind="stable")]
    return order[:most].tolist(), len(rows)


def surest_wrong(scores: LabelSets) -> NDArray[np.float64]:
    """Return the confidence of the surest of each row's wrong labels, (rows,); 0 where none is wrong."""
    surest: NDArray[np.float64] = np.where(scores.wrong_labels, scores.confidence, 0.0).max(axis=1)
    return surest
