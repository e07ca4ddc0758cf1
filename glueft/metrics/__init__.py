"""The metrics a task may name, as the GLUE benchmark defines them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glueft.errors import PluginError

# Light on purpose: naming a metric must not import evaluate. `glue.py` beside this file holds the computations.
METRICS = {
    "accuracy": "share of rows with the right label",
    "f1": "F1 of the second label (index 1) of a two-label task",
    "matthews_correlation": "Matthews correlation coefficient",
    "pearson": "Pearson correlation of predicted and given scores",
    "spearmanr": "Spearman rank correlation of predicted and given scores",
}

if TYPE_CHECKING:
    MetricName = str
else:
    MetricName = Literal[*METRICS]
"""The name of a metric, as the type of a plugin's option."""


def check_metrics(task_name: str, names: Sequence[str], *, labels: int) -> None:
    """Raise PluginError if a task names a metric that does not exist or that its labels (0: regression) cannot have."""
    for name in names:
        if name not in METRICS:
            raise PluginError(
                f"task {task_name!r} names a metric that glueft does not have",
                expected=f"one of {', '.join(METRICS)}",
                received=repr(name),
                mend="correct the task's `metrics`",
            )
        if (name in ("pearson", "spearmanr")) != (labels == 0) or (name == "f1" and labels != 2):
            kind = f"a task with {labels} labels" if labels else "a regression task"
            raise PluginError(
                f"task {task_name!r} names a metric that does not suit {kind}",
                expected="pearson and spearmanr for regression, accuracy and matthews_correlation for labels, "
                "f1 for two labels",
                received=repr(name),
                mend="correct the task's `metrics` or its `labels`",
            )


def compute_metrics(names: Sequence[str], predictions: Any, references: Any) -> dict[str, float]:
    """Compute metrics by name.

    Args:
        names: keys of METRICS.
        predictions: label indices, or scores in regression, (rows,).
        references: likewise, as the data set gives them.

    Returns:
        name -> value. A correlation of constant predictions is not defined; it is reported as 0.0, for JSON has no NaN.
    """
    from glueft.metrics.glue import CLASSES

    values: dict[str, float] = {}
    # evaluate makes a cache folder for every metric, also for one that keeps all in memory; not in the user's home.
    with tempfile.TemporaryDirectory() as cache_dir:
        for name in names:
            metric = CLASSES[name](keep_in_memory=True, cache_dir=cache_dir)
            values |= metric.compute(predictions=predictions, references=references)
    return values
