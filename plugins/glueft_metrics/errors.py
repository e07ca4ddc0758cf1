"""Errors of predicted scores, in the labels' own unit or its square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_metrics.glue import GlueValue

if TYPE_CHECKING:
    from glueft_metrics.tally import Floats


class ErrorMetric(glueft.Metric):
    """An error of predicted scores: 0 is the best."""

    suits = "scores"
    higher_is_better = False
    bounds = (0.0, None)


class MAE(GlueValue, ErrorMetric):
    """Mean absolute error of predicted scores, in the labels' own unit."""

    name = "mae"
    always_shown = True

    def resampled(self, predictions: Floats, references: Floats, counts: Floats) -> Floats:
        means: Floats = counts @ abs(predictions - references) / counts.sum(axis=1)
        return means


class RMSE(GlueValue, ErrorMetric):
    """Root of the mean squared error of predicted scores, in the labels' own unit."""

    name = "rmse"
    always_shown = True

    def resampled(self, predictions: Floats, references: Floats, counts: Floats) -> Floats:
        import numpy as np

        roots: Floats = np.sqrt(mean_squares(predictions, references, counts))
        return roots


class MeanAbsoluteError(MAE):
    """Mean absolute error of predicted scores, in the labels' own unit; the same as mae."""

    name = "mean_absolute_error"
    glue_name = "mae"
    always_shown = False


class MeanSquaredError(ErrorMetric):
    """Mean squared error of predicted scores; the square of rmse."""

    name = "mean_squared_error"

    def value(self, predictions: Floats, references: Floats) -> float:
        return float(((predictions - references) ** 2).mean())

    def resampled(self, predictions: Floats, references: Floats, counts: Floats) -> Floats:
        return mean_squares(predictions, references, counts)


def mean_squares(predictions: Floats, references: Floats, counts: Floats) -> Floats:
    """Return the mean squared error of each resample, (resamples,)."""
    means: Floats = counts @ (predictions - references) ** 2 / counts.sum(axis=1)
    return means
