"""The values of GLUE's own metrics, as `evaluate.Metric` classes over scikit-learn and scipy.

`evaluate.load("glue", ...)` fetches code from the hub and runs it; these are the same numbers, shipped. Importing this
module takes seconds.
"""

from __future__ import annotations

import math
import tempfile
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

CITATION = "Wang et al. 2019, GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding"


class GlueMetric(evaluate.Metric):  # type: ignore[misc]
    """A metric with one name and one number.

    Attributes:
        name: the key of the result.
        dtype: of predictions and references: `int64` label indices or `float32` scores.
    """

    name: str
    dtype = "int64"

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value(self.dtype)
        return evaluate.MetricInfo(
            description=(self.__doc__ or "").strip(),
            citation=CITATION,
            inputs_description="predictions and references, one a row",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, float]:
        return {self.name: float(self.value(predictions, references, **options))}

    def value(self, predictions: Any, references: Any) -> float:
        raise NotImplementedError


class Accuracy(GlueMetric):
    """Share of rows with the right label."""

    name = "accuracy"

    def value(self, predictions: Any, references: Any) -> float:
        return accuracy_score(references, predictions)  # type: ignore[no-any-return]


class F1(GlueMetric):
    """F1 of the positive label, the harmonic mean of precision and recall; 0.0 when the label is nowhere."""

    name = "f1"

    def value(self, predictions: Any, references: Any, positive_label: int = 1) -> float:
        return f1_score(references, predictions, pos_label=positive_label, zero_division=0.0)  # type: ignore[no-any-return]


class MacroF1(GlueMetric):
    """Mean of the F1 of each label that is predicted or in the references, all labels counted alike."""

    name = "f1_macro"

    def value(self, predictions: Any, references: Any) -> float:
        return f1_score(references, predictions, average="macro", zero_division=0.0)  # type: ignore[no-any-return]


class MatthewsCorrelation(GlueMetric):
    """Matthews correlation coefficient."""

    name = "matthews_correlation"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the coefficient, -1 to 1; 0 for constant predictions."""
        if len({*predictions, *references}) == 1:
            return 0.0  # As scikit-learn has it, which warns of the size of the confusion matrix besides.
        return matthews_corrcoef(references, predictions)  # type: ignore[no-any-return]


class ScoreMetric(GlueMetric):
    """A metric of float32 scores, computed in float64."""

    dtype = "float32"

    def value(self, predictions: Any, references: Any) -> float:
        return self.of_scores(np.asarray(predictions, np.float64), np.asarray(references, np.float64))

    def of_scores(self, predictions: Any, references: Any) -> float:
        """Return the number; both are float64 (rows,)."""
        raise NotImplementedError


class Pearson(ScoreMetric):
    """Pearson correlation of predicted scores and references."""

    name = "pearson"

    def of_scores(self, predictions: Any, references: Any) -> float:
        return _correlation(pearsonr, predictions, references)


class Spearman(ScoreMetric):
    """Spearman rank correlation of predicted scores and references."""

    name = "spearmanr"

    def of_scores(self, predictions: Any, references: Any) -> float:
        return _correlation(spearmanr, predictions, references)


class MeanAbsoluteError(ScoreMetric):
    """Mean absolute error of predicted scores."""

    name = "mae"

    def of_scores(self, predictions: Any, references: Any) -> float:
        return float(np.abs(predictions - references).mean())


class RootMeanSquaredError(ScoreMetric):
    """Root of the mean squared error of predicted scores."""

    name = "rmse"

    def of_scores(self, predictions: Any, references: Any) -> float:
        return float(np.sqrt(np.square(predictions - references).mean()))


CLASSES: dict[str, type[GlueMetric]] = {
    metric.name: metric
    for metric in (
        Accuracy,
        F1,
        MacroF1,
        MatthewsCorrelation,
        Pearson,
        Spearman,
        MeanAbsoluteError,
        RootMeanSquaredError,
    )
}


def value_of(name: str, predictions: Any, references: Any, **options: Any) -> float:
    """Return the value of one of CLASSES."""
    # evaluate makes a cache folder for every metric, also for one that keeps all in memory; not in the user's home.
    with tempfile.TemporaryDirectory() as cache_dir:
        metric = CLASSES[name](keep_in_memory=True, cache_dir=cache_dir)
        values = metric.compute(predictions=predictions, references=references, **options)
    return float(values[name])


def _correlation(function: Any, predictions: Any, references: Any) -> float:
    """Apply a correlation of scipy; 0.0 where it is not defined: fewer than two rows, or one side constant."""
    if len(predictions) < 2 or any((scores == scores[0]).all() for scores in (predictions, references)):
        return 0.0
    value = float(function(predictions, references)[0])
    return 0.0 if math.isnan(value) else value
