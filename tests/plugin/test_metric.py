"""What a metric's class must declare, beyond what every plugin must."""

from __future__ import annotations

from typing import Any

import pytest

import glueft
from glueft.plugin.contract import breach
from glueft.plugin.metric import Metric


def metric(**attributes: Any) -> Any:
    def value(self: Metric, predictions: Any, references: Any) -> float:
        return 0.0

    return type("Score", (Metric,), {"__doc__": "A score.", "name": "score", "value": value, **attributes})


class Setting(glueft.Options):
    """With a setting."""

    k: int = glueft.Field(5, description="How many.")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"value": Metric.value}, "class Score needs a `value` method"),
        ({"Options": Setting}, "class Score has options, and a recipe only names metrics: write a class for each"),
        (
            {"suits": "regression"},
            'class Score needs `suits`, "labels", "scores", "multi_label" or ("labels", "multi_label"), and has '
            "'regression'",
        ),
        ({"suits": "scores", "share_right": True}, "class Score sets `share_right`, which is for metrics of labels"),
        (
            {"suits": "scores", "takes_probabilities": True},
            "sets `takes_probabilities`, which is for metrics of labels",
        ),
        ({"suits": ("labels", "scores")}, "class Score needs `suits`"),
        ({"suits": ["labels", "multi_label"]}, "class Score needs `suits`"),
        (
            {"suits": ("labels", "multi_label"), "of_positive_label": True},
            "sets `of_positive_label`, and a multi-label task has no positive label",
        ),
        (
            {"suits": "multi_label", "share_right": "labels"},
            "class Score needs as `share_right` True, False or one kind that it suits, and has 'labels'",
        ),
        ({"most_labels": 1}, "class Score needs as `most_labels` a whole number from 2, or None, and has 1"),
        ({"bounds": (1.0, 0.0)}, "class Score needs as `bounds` its least and greatest value"),
        ({"bounds": [0, 1]}, "class Score needs as `bounds` its least and greatest value"),
        ({"bounds": (0.0, "1")}, "class Score needs as `bounds` its least and greatest value"),
        ({"bounds": (float("nan"), 1.0)}, "class Score needs as `bounds` its least and greatest value"),
        ({"higher_is_better": "no"}, "class Score needs as `higher_is_better` True or False, and has 'no'"),
        ({"hub_name": "a\nb"}, "class Score needs as `hub_name` a name on one line, or None, and has 'a\\nb'"),
        ({"name": "loss"}, 'class Score needs another `name`: "loss" is that of the loss'),
        ({"__init__": lambda self: None}, "the `__init__` of class Score must take `labels` and `positive_label`"),
    ],
)
def test_a_metric_that_breaks_the_contract_is_told_how(attributes: dict[str, Any], reason: str) -> None:
    assert reason in str(breach("metric", metric(**attributes)))


def test_a_metric_that_keeps_it() -> None:
    for attributes in ({}, {"bounds": (None, None)}, {"bounds": (0, None)}, {"suits": "scores"}, {"most_labels": 3}):
        assert breach("metric", metric(**attributes)) is None


def test_which_labels_a_metric_fits() -> None:
    fitting = {
        "any": [2, 3, 150],
        "three": [2, 3],
        "positive": [2],
        "scores": [0],
    }
    classes = {
        "any": metric(),
        "three": metric(most_labels=3),
        "positive": metric(of_positive_label=True),
        "scores": metric(suits="scores"),
    }
    for name, cls in classes.items():
        assert [labels for labels in (0, 2, 3, 150) if cls.fits(labels)] == fitting[name]
        assert not any(cls.fits(labels, multi_label=True) for labels in (0, 2, 3))


def test_a_metric_may_fit_multi_label_tasks_alone_or_as_well() -> None:
    both = metric(suits=("labels", "multi_label"), most_labels=3, share_right="labels")
    alone = metric(suits="multi_label", share_right=True)
    assert breach("metric", both) is breach("metric", alone) is None
    # 0: of a task that has yet to learn its labels.
    assert [labels for labels in (0, 2, 4) if both.fits(labels, multi_label=True)] == [0, 2]
    assert [labels for labels in (0, 2, 4) if alone.fits(labels, multi_label=True)] == [0, 2, 4]
    assert both.fits(2) and not both.fits(0) and not alone.fits(2)
    assert [cls.is_share_right(multi_label=several) for cls in (both, alone) for several in (False, True)] == [
        True, False, False, True,
    ]  # fmt: skip


def test_the_best_value_is_the_bound_on_the_better_side() -> None:
    assert metric().best() == 1 and metric(higher_is_better=False).best() == 0
    assert metric(higher_is_better=False, bounds=(None, 1.0)).best() is None
