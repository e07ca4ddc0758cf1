"""The metrics that there are, by name: what they give for predictions, and what is known of them without computing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic_core import PydanticKnownError

from glueft.errors import PluginError
from glueft.metrics.decision import PLAIN_THRESHOLD, Decided, softmax
from glueft.plugin.attribution import attributed, named
from glueft.plugin.metric import Metric, check_metric_names
from glueft.plugin.origin import origin_of
from glueft.plugin.registry import known_classes
from glueft.plugin.suits import kinds_of
from glueft.text import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MetricName",
    "check_metrics",
    "compute_metrics",
    "hub_name",
    "is_correlation",
    "known_metrics",
    "lower_is_better",
    "metric_facts",
    "metric_labels",
    "metric_title",
    "other_metrics",
    "softmax",
    "titled",
]


def known_metrics() -> dict[str, type[Metric]]:
    """The metrics by name: of the installed packages, and of the plugin files in use."""
    return known_classes("metric")


def check_metrics(task_name: str, names: Sequence[str], *, labels: int, multi_label: bool = False) -> None:
    """Raise PluginError if a task names a metric that does not exist or that its labels cannot have.

    Args:
        task_name: for the message.
        names: of the metrics.
        labels: how many labels the task has; 0 for a regression, and for a multi-label task that has yet to learn them.
        multi_label: whether a row may have any number of them.
    """
    check_metric_names(task_name, names, known_metrics(), labels=labels, multi_label=multi_label)


def compute_metrics(
    names: Sequence[str],
    predictions: Any,
    references: Any,
    *,
    labels: Sequence[str] = (),
    positive_label: int = 1,
) -> dict[str, float]:
    """Compute metrics by name.

    Args:
        names: metrics that suit the task.
        predictions: the predicted label of each row by index, or its score in regression, (rows,); or the probability
            of each label, (rows, labels), of which the largest is that of the predicted one; or both, `Decided`. Labels
            alone count as certain: a probability of 1. Of a multi-label task: 0 and 1 for each label, integers (rows,
            labels); or its probability, floats, of which those from 0.5 on are 1; or both, `Decided`.
        references: the right label of each row by index, or its score, (rows,); of a multi-label task 0 and 1 for each
            label, (rows, labels).
        labels: the task's labels by name, in index order; () in regression, and where no metric needs to know them.
        positive_label: the index of the positive label.

    Returns:
        name -> value. Where a metric is not defined it is 0.0, for JSON has no NaN.

    Raises:
        PluginError: a metric of a plugin fails, or returns no number.
    """
    known = known_metrics()
    return {name: value_of(known[name](labels, positive_label), predictions, references) for name in names}


def value_of(metric: Metric, predictions: Any, references: Any) -> float:
    """Return the value of one metric; see `compute_metrics`."""
    with attributed(metric, "value"):
        value: Any = metric.value(*rows_of(metric, predictions, references))
    try:
        number = None if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise PluginError(
            f"`value` of {named(metric)} does not return a number",
            expected="a float, or a number that `float` takes",
            received=short_repr(value),
            fix="fix the plugin, or tell its authors",
        )
    if math.isinf(number) or (math.isnan(number) and not metric.higher_is_better):
        raise PluginError(
            f"{named(metric)} has no value for these predictions",
            expected="a finite number; NaN only where higher is better",
            received=f"{number}",
            fix="see whether the predictions are finite; else fix the plugin, or tell its authors",
        )
    return 0.0 if math.isnan(number) else number


def rows_of(metric: Metric, predictions: Any, references: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return predictions and references in the form that a metric takes; see `compute_metrics` and `Metric.value`.

    Both are copies: a metric that changes its arguments changes nothing for others.
    """
    import numpy as np

    if isinstance(predictions, Decided):
        predictions = predictions.probabilities if metric.takes_probabilities else predictions.labels
    predictions = np.asarray(predictions)
    if kinds_of(metric.suits) == ("scores",):
        # float32, as the model predicts them and the predictions file holds them.
        return tuple(np.asarray(column, np.float32).astype(np.float64) for column in (predictions, references))  # type: ignore[return-value]
    references = np.array(references, np.int64)
    if references.ndim == 2:
        if predictions.dtype.kind == "f" and not metric.takes_probabilities:
            predictions = predictions >= PLAIN_THRESHOLD
    elif predictions.ndim == 1 and metric.takes_probabilities:
        labels = max(len(metric.labels), int(predictions.max()) + 1, int(references.max()) + 1)
        predictions = np.eye(labels)[predictions]
    elif predictions.ndim == 2 and not metric.takes_probabilities:
        predictions = predictions.argmax(axis=1)
    return predictions.astype(np.float64 if metric.takes_probabilities else np.int64), references


def metric_labels(names: Sequence[str], labels: Sequence[str], positive_label: int) -> dict[str, str]:
    """Return for each metric that is about one label that label's name: `{"f1": "alarm"}`.

    Args:
        names: metrics.
        labels: the task's, in index order.
        positive_label: the index of its positive one.
    """
    known = known_metrics()
    return {name: labels[positive_label] for name in names if name in known and known[name].of_positive_label}


def metric_facts(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what run.json keeps of metrics, for readers that do not have the plugin."""
    known = known_metrics()
    return {
        name: {
            "description": known[name].description(),
            "higher_is_better": known[name].higher_is_better,
            "bounds": [*known[name].bounds],
            "hub_name": known[name].hub_name or name,
            **{key: origin_of(known[name]).get(key) for key in ("package", "version")},
        }
        for name in names
        if name in known
    }


def metric_title(name: str, labels: Mapping[str, str]) -> str:
    """Return a metric's name as people are shown it: "f1 of alarm".

    Args:
        name: of the metric.
        labels: what `metric_labels` returned; empty for a run that has not recorded it.
    """
    return f"{name} of {labels[name]}" if name in labels else name


def titled(values: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, float]:
    """Return metrics under the names that people are shown; see `metric_title`."""
    return {metric_title(name, labels): value for name, value in values.items()}


def lower_is_better(name: str, facts: Mapping[str, Any] | None = None) -> bool:
    """Whether a metric, or "loss", is the better the lower it is.

    Args:
        name: of the metric.
        facts: `metric_facts` of a run's record; without them, or for a metric that is not among them, the installed
            plugins tell.
    """
    return name == "loss" or not _facts(name, facts).get("higher_is_better", True)


def is_correlation(name: str) -> bool:
    """Whether a metric goes from -1 to 1, and so is not defined for constant predictions."""
    known = known_metrics()
    return name in known and known[name].bounds == (-1, 1)


def hub_name(name: str, facts: Mapping[str, Any] | None = None) -> str:
    """Return what model cards call a metric in their metadata; `facts` as in `lower_is_better`."""
    return _facts(name, facts).get("hub_name") or name


def _facts(name: str, recorded: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if recorded and name in recorded:
        found: Mapping[str, Any] = recorded[name]
        return found
    return metric_facts([name]).get(name, {})


def other_metrics(names: Sequence[str], labels: int, multi_label: bool = False) -> tuple[str, ...]:
    """Return the metrics that are shown beside those that a task names, such as the errors of a regression.

    Args:
        names: the task's metrics.
        labels: how many labels it has; 0 for a regression.
        multi_label: whether a row may have any number of them.
    """
    return tuple(
        name
        for name, metric in known_metrics().items()
        if metric.always_shown and metric.fits(labels, multi_label) and name not in names
    )


class _MetricNameType:
    """Checks a name when it is read, and not by a list made at import: plugins bring metrics."""

    @staticmethod
    def check(name: str) -> str:
        known = known_metrics()
        if name not in known:
            raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, known))})
        return name

    @staticmethod
    def __get_pydantic_json_schema__(schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": [*known_metrics()]}


MetricName = Annotated[str, pydantic.AfterValidator(_MetricNameType.check), _MetricNameType]
"""The name of a metric, as the type of a plugin's option."""
