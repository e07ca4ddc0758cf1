"""The metrics a task may name: those that the GLUE benchmark defines, and a few beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from glueft.errors import PluginError
from glueft.suggest import did_you_mean


@dataclass(frozen=True)
class Metric:
    """What is known of a metric without computing it.

    Attributes:
        description: in a few words.
        suits: "regression", "labels" or "two labels".
        of_label: whether it is about one label, the task's positive one.
        lower_is_better: whether 0 is the best value; else 1 is.
        hub_name: what model cards call it; None for its own name.
    """

    description: str
    suits: str
    of_label: bool = False
    lower_is_better: bool = False
    hub_name: str | None = None

    def fits(self, labels: int) -> bool:
        """Whether a task with so many labels (0: a regression) can have it."""
        return {"regression": labels == 0, "labels": labels > 0, "two labels": labels == 2}[self.suits]


# Light on purpose: naming a metric must not import evaluate. `glue.py` and `scores.py` beside this file compute them,
# `comparison/resampled_metrics.py` does it for many resamples at once.
METRICS = {
    "accuracy": Metric("share of rows with the right label", "labels"),
    "f1": Metric(
        "F1 of one label of a two-label task: the second (index 1), unless the task's `positive_label` is another",
        "two labels",
        of_label=True,
    ),
    "f1_macro": Metric("mean of the F1 of each label that is given or predicted", "labels", hub_name="f1"),
    "matthews_correlation": Metric("Matthews correlation coefficient", "labels"),
    "pearson": Metric("Pearson correlation of predicted and given scores", "regression", hub_name="pearsonr"),
    "spearmanr": Metric("Spearman rank correlation of predicted and given scores", "regression"),
    "mae": Metric(
        "mean absolute error of predicted scores, in the labels' own unit", "regression", lower_is_better=True
    ),
    "rmse": Metric(
        "root of the mean squared error of predicted scores, in the labels' own unit",
        "regression",
        lower_is_better=True,
    ),
}

# Shown beside the metrics of every regression, which may all be correlations: those do not see a wrong scale.
ERRORS = ("mae", "rmse")

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
                fix=did_you_mean(name, METRICS).strip() or "correct the task's `metrics`",
            )
        if not METRICS[name].fits(labels):
            kind = f"a task with {labels} labels" if labels else "a regression task"
            kinds = dict.fromkeys(metric.suits for metric in METRICS.values())
            suiting = {suits: [name for name, metric in METRICS.items() if metric.suits == suits] for suits in kinds}
            raise PluginError(
                f"task {task_name!r} names a metric that does not suit {kind}",
                expected=", ".join(f"{' and '.join(suiting[suits])} for {suits}" for suits in reversed(kinds)),
                received=repr(name),
                fix="correct the task's `metrics` or its `labels`",
            )


def metric_labels(names: Sequence[str], labels: Sequence[str], positive_label: int) -> dict[str, str]:
    """Return for each metric that is about one label that label's name: `{"f1": "alarm"}`.

    Args:
        names: metrics.
        labels: the task's, in index order.
        positive_label: the index of its positive one.
    """
    return {name: labels[positive_label] for name in names if name in METRICS and METRICS[name].of_label}


def metric_title(name: str, labels: Mapping[str, str]) -> str:
    """Return a metric's name as people are shown it: "f1 of alarm".

    Args:
        name: of the metric.
        labels: what `metric_labels` returned; of a run that has not recorded it, nothing.
    """
    return f"{name} of {labels[name]}" if name in labels else name


def titled(values: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, float]:
    """Return metrics under the names that people are shown; see `metric_title`."""
    return {metric_title(name, labels): value for name, value in values.items()}


def lower_is_better(name: str) -> bool:
    """Whether a metric, or "loss", is the better the lower it is."""
    return name == "loss" or (name in METRICS and METRICS[name].lower_is_better)


def other_metrics(names: Sequence[str], labels: int) -> tuple[str, ...]:
    """Return what is shown beside a task's metrics without judging a run: of a regression MAE and RMSE."""
    return () if labels else tuple(name for name in ERRORS if name not in names)


def compute_metrics(
    names: Sequence[str], predictions: Any, references: Any, *, positive_label: int = 1
) -> dict[str, float]:
    """Compute metrics by name.

    Args:
        names: keys of METRICS.
        predictions: label indices, or scores in regression, (rows,).
        references: likewise, as the data set gives them.
        positive_label: the index of the label that F1 is of.

    Returns:
        name -> value. A correlation of constant predictions is not defined; it is reported as 0.0, for JSON has no NaN.
    """
    from glueft.metrics.glue import CLASSES

    values: dict[str, float] = {}
    # evaluate makes a cache folder for every metric, also for one that keeps all in memory; not in the user's home.
    with tempfile.TemporaryDirectory() as cache_dir:
        for name in names:
            metric = CLASSES[name](keep_in_memory=True, cache_dir=cache_dir)
            options = {"positive_label": positive_label} if METRICS[name].of_label else {}
            values |= metric.compute(predictions=predictions, references=references, **options)
    return values
