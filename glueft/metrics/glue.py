"""The metrics as `evaluate.Metric` classes over scikit-learn and scipy.

`evaluate.load("glue", ...)` fetches code from the hub and runs it; GLUE's are the same numbers, shipped.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from glueft.metrics.scores import SCORE_METRICS

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
    """F1 of the positive label, the harmonic mean of precision and recall; 0.0 when the label is nowhere."""

    name = "f1"

    def _compute(self, predictions: Any, references: Any, positive_label: int = 1) -> dict[str, float]:
        value = f1_score(references, predictions, pos_label=positive_label, zero_division=0.0)
        return {self.name: float(value)}


class MacroF1(GlueMetric):
    """Mean of the F1 of each label that is given or predicted, all labels counted alike."""

    name = "f1_macro"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the mean, 0 to 1."""
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
    """A metric of scores; `scores.py` computes it."""

    dtype = "float32"

    def value(self, predictions: Any, references: Any) -> float:
        """Return the number."""
        return SCORE_METRICS[self.name](predictions, references)


class Pearson(ScoreMetric):
    """Pearson correlation of predicted and given scores."""

    name = "pearson"


class Spearman(ScoreMetric):
    """Spearman rank correlation of predicted and given scores."""

    name = "spearmanr"


class MeanAbsoluteError(ScoreMetric):
    """Mean absolute error of predicted scores."""

    name = "mae"


class RootMeanSquaredError(ScoreMetric):
    """Root of the mean squared error of predicted scores."""

    name = "rmse"


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
