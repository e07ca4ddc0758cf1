"""The metrics of a regression: correlations as scipy has them, and errors; of float32 scores, computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]


def pearson(predictions: Floats, references: Floats) -> float:
    """Return Pearson's correlation, -1 to 1; 0 where it is not defined."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, predictions, references)


def spearmanr(predictions: Floats, references: Floats) -> float:
    """Return Spearman's rank correlation, -1 to 1; 0 where it is not defined."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, predictions, references)


def mae(predictions: Floats, references: Floats) -> float:
    """Return the mean absolute error."""
    import numpy as np

    return float(np.abs(_errors(predictions, references)).mean())


def rmse(predictions: Floats, references: Floats) -> float:
    """Return the root of the mean squared error."""
    import numpy as np

    return float(np.sqrt(np.square(_errors(predictions, references)).mean()))


SCORE_METRICS: dict[str, Callable[[Any, Any], float]] = {
    metric.__name__: metric for metric in (pearson, spearmanr, mae, rmse)
}


def is_constant(scores: Floats) -> bool:
    """Whether all scores are the same, so that no correlation with them is defined."""
    return bool((scores == scores[0]).all())


def _correlation(function: Any, predictions: Floats, references: Floats) -> float:
    """Apply a scipy correlation; 0.0 where it is not defined: fewer than two rows, or one side constant."""
    import numpy as np

    predictions, references = np.asarray(predictions, np.float64), np.asarray(references, np.float64)
    if len(predictions) < 2 or is_constant(predictions) or is_constant(references):
        return 0.0
    value = float(function(predictions, references)[0])
    return 0.0 if math.isnan(value) else value


def _errors(predictions: Floats, references: Floats) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(predictions, np.float64) - np.asarray(references, np.float64)
