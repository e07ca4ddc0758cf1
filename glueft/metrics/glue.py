"""GLUE's metrics as `evaluate.Metric` classes over scikit-learn and scipy.

`evaluate.load("glue", ...)` fetches code from the hub and runs it; these are the same numbers, shipped.
"""

from __future__ import annotations

import math
from typing import Any

import datasets
import evaluate
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

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return {self.name: float(self.value(predictions, references))}

    def value(self, predictions: Any, references: Any) -> float:
        """Return the number."""
        raise NotImplementedError


class Accuracy(GlueMetric):
    """Share of rows with the right label."""

    name = "accuracy"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the share, 0 to 1."""
        return accuracy_score(references, predictions)  # type: ignore[no-any-return]


class F1(GlueMetric):
    """F1 of label 1; 0.0 when it is neither predicted nor right anywhere."""

    name = "f1"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the harmonic mean of precision and recall, 0 to 1."""
        return f1_score(references, predictions, zero_division=0.0)  # type: ignore[no-any-return]


class MatthewsCorrelation(GlueMetric):
    """Matthews correlation coefficient."""

    name = "matthews_correlation"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the coefficient, -1 to 1; 0 for constant predictions."""
        if len({*predictions, *references}) == 1:
            return 0.0  # As scikit-learn has it, which warns of the size of the confusion matrix besides.
        return matthews_corrcoef(references, predictions)  # type: ignore[no-any-return]


class Pearson(GlueMetric):
    """Pearson correlation of predicted and given scores."""

    name = "pearson"
    dtype = "float32"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the correlation, -1 to 1; 0 where it is not defined."""
        return correlation(pearsonr, predictions, references)


class Spearman(GlueMetric):
    """Spearman rank correlation of predicted and given scores."""

    name = "spearmanr"
    dtype = "float32"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the correlation, -1 to 1; 0 where it is not defined."""
        return correlation(spearmanr, predictions, references)


def correlation(function: Any, predictions: Any, references: Any) -> float:
    """Apply a scipy correlation; 0.0 where it is not defined: fewer than two rows, or one side constant."""
    if len(predictions) < 2 or len(set(predictions)) == 1 or len(set(references)) == 1:
        return 0.0
    value = float(function(predictions, references)[0])
    return 0.0 if math.isnan(value) else value


CLASSES: dict[str, type[GlueMetric]] = {
    metric.name: metric for metric in (Accuracy, F1, MatthewsCorrelation, Pearson, Spearman)
}
