"""First-party metrics, a file a family."""

from __future__ import annotations

import glueft
from glueft_metrics.accuracy import Accuracy, MatthewsCorrelation
from glueft_metrics.correlations import Pearson, Spearman
from glueft_metrics.errors import MAE, RMSE, MeanAbsoluteError, MeanSquaredError
from glueft_metrics.f1 import F1, F1Macro, MacroF1, MicroF1, WeightedF1
from glueft_metrics.label_sets import HammingLoss, SubsetAccuracy
from glueft_metrics.precision_recall import MicroPrecision, MicroRecall, Precision, Recall
from glueft_metrics.ranking import AveragePrecision, LabelRankingAveragePrecision, MacroAveragePrecision, RocAUC


@glueft.hookimpl
def glueft_metrics() -> list[type[glueft.Metric]]:
    """The metrics of this package, in the order in which tables show them."""
    return [
        Accuracy,
        F1,
        F1Macro,
        MatthewsCorrelation,
        Pearson,
        Spearman,
        MAE,
        RMSE,
        MacroF1,
        MicroF1,
        WeightedF1,
        Precision,
        Recall,
        RocAUC,
        AveragePrecision,
        MeanAbsoluteError,
        MeanSquaredError,
        SubsetAccuracy,
        HammingLoss,
        MicroPrecision,
        MicroRecall,
        MacroAveragePrecision,
        LabelRankingAveragePrecision,
    ]
