"""What is known of metrics by name, and how a plugin's metric is asked for its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glueft.errors import PluginError
from glueft.metrics import (
    check_metrics,
    known_metrics,
    metric_labels,
    other_metrics,
    rows_of,
    titled,
    value_of,
)
from glueft.metrics.decision import PLAIN
from glueft.plugin.metric import Metric


def test_a_metric_that_does_not_exist_is_named() -> None:
    with pytest.raises(PluginError, match="acuracy"):
        check_metrics("demo", ["acuracy"], labels=2)


def test_the_label_of_a_metric_is_named() -> None:
    labels = metric_labels(["accuracy", "f1"], ("ok", "alarm"), 1)
    assert labels == {"f1": "alarm"}
    assert titled({"accuracy": 0.5, "f1": 0.25}, labels) == {"accuracy": 0.5, "f1 of alarm": 0.25}
    assert titled({"f1": 0.25}, {}) == {"f1": 0.25}
    assert other_metrics(("pearson", "mae"), 0) == ("rmse",) and other_metrics(("accuracy",), 2) == ()


@pytest.mark.parametrize(("metric", "labels"), [("f1_macro", 0), ("mae", 2), ("pearson", 2), ("f1", 3)])
def test_a_metric_that_does_not_suit_the_labels_is_named(metric: str, labels: int) -> None:
    with pytest.raises(PluginError, match="does not suit"):
        check_metrics("demo", [metric], labels=labels)


class Returns(Metric):
    """Whatever it is told."""

    name = "returns"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def value(self, predictions: Any, references: Any) -> Any:
        return self.answer(predictions, references)


def test_a_value_that_is_not_defined_is_zero() -> None:
    assert value_of(Returns(lambda *rows: float("nan")), [0], [1]) == 0.0


@pytest.mark.parametrize("value", [float("inf"), "high", None])
def test_what_is_no_number_is_the_fault_of_the_metric(value: Any) -> None:
    with pytest.raises((PluginError, TypeError, ValueError)) as caught:
        value_of(Returns(lambda *rows: value), [0], [1])
    if value == float("inf"):
        assert str(caught.value).startswith('the metric "returns" has no value for these predictions')


def test_an_error_that_is_not_a_number_is_never_the_best() -> None:
    metric = Returns(lambda *rows: float("nan"))
    metric.higher_is_better = False  # type: ignore[misc]
    with pytest.raises(PluginError, match="NaN only where higher is better"):
        value_of(metric, [0], [1])


def test_each_metric_gets_predictions_in_its_own_form() -> None:
    logits = np.array([[0.0, 1.0], [2.0, 0.0]], np.float32)
    shares = PLAIN.decide(logits).probabilities
    assert shares.sum(axis=1) == pytest.approx(1)
    known = known_metrics()
    assert rows_of(known["accuracy"](), shares, [1, 1])[0].tolist() == [1, 0]
    assert rows_of(known["roc_auc"](), shares, [1, 1])[0].tolist() == shares.tolist()
    assert rows_of(known["roc_auc"](("no", "yes")), [1, 0], [1, 1])[0].tolist() == [[0, 1], [1, 0]]
    scores = PLAIN.predictions(np.array([[0.1], [2.0]], np.float32), ())
    found = rows_of(known["mae"](), scores, [0.1, 2.0])
    assert [column.dtype for column in found] == [np.float64] * 2 and (found[0] == found[1]).all()
