"""The conformance suite on losses that are wrong in one way each; and a run refuses what would train nonsense."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from test_conformance import broken, run

import glueft
from glueft import testing
from glueft.plugin import attribution
from glueft.plugin.origin import Point
from glueft.plugin.registry import load_registry
from glueft.plugin.task_contract import metrics_breach
from glueft.training.loss import TrainingLoss, try_foreign_loss


class Scores(glueft.Loss):
    """Squares."""

    name = "squares"
    suits = "scores"

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: ops.square(labels - predictions[:, 0]))


class Row(keras.losses.Loss):  # type: ignore[misc]
    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.call = rows


class Pairs(Scores):
    """The labels are (rows,) and the predictions (rows, 1): a number for each pair of rows."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: ops.mean(ops.square(labels - predictions), axis=-1))


class Mean(Scores):
    """Takes the mean itself."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: ops.mean(ops.square(labels - predictions[:, 0])))


class Upside(Scores):
    """Rewards what is wrong."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: -ops.square(labels - predictions[:, 0]))


class Undefined(Scores):
    """Takes the logarithm of what may be below 0."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: ops.log(labels - predictions[:, 0]))


class Flat(Scores):
    """Has no gradient but 0."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, predictions: ops.round(ops.abs(labels - predictions[:, 0])) + 0 * predictions[:, 0])


class AFunction(Scores):
    """Returns no Keras loss."""

    def build(self, task: glueft.Task) -> Any:
        return "mse"


class Otherwise(Scores):
    """Validates with another loss."""

    def values(self, task: glueft.Task, logits: Any, labels: Any) -> Any:
        return abs(logits[:, 0] - labels)


class Weighing(Scores):
    """Weighs labels, which scores do not have."""

    def label_weights(self, task: glueft.Task) -> Any:
        return [1.0]


class Halves(glueft.Loss):
    """Weighs one of the labels."""

    name = "halves"

    def build(self, task: glueft.Task) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def label_weights(self, task: glueft.Task) -> Any:
        return [0.5]


class Misfit(Scores):
    """Suits nothing."""

    suits = "everything"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("loss", "check", "told"),
    [
        (Pairs, "row by row", "the loss of a row changes with the other rows of its batch"),
        (Mean, "row by row", "must return one number a row, (12,), and returned (); glueft takes the mean"),
        (Upside, "row by row", "right predictions have a loss of 0, and wrong ones of -9"),
        (Undefined, "row by row", "the loss of a row is no finite number"),
        (Flat, "lowers itself", "30 steps do not lower it"),
        (AFunction, "builds", "`build` must return a keras.losses.Loss, and returned a str"),
        (Otherwise, "validation", "the validation loss would be another one"),
        (Weighing, "label weights", "scores have none"),
        (Halves, "label weights", "a number above 0 for each of 2 labels, and returned [0.5]"),
        (
            Misfit,
            "declaration",
            'class Misfit needs `suits`, "labels", "scores", "multi_label" or ("labels", "multi_label"), and has '
            "'everything'",
        ),
    ],
)
def test_a_wrong_loss(loss: type[glueft.Loss], check: str, told: str) -> None:
    assert told in broken(loss, check)


def test_a_loss_that_is_for_the_labels_of_another_task() -> None:
    focal = load_registry().find("loss", "focal").cls
    with pytest.raises(testing.NotCheckedError, match="it refuses a task with the labels no, yes"):
        run(focal, "builds", options={"class_weights": {"maybe": 2.0}})


@pytest.mark.parametrize(
    ("loss", "told"), [(Pairs, "for each alone"), (Mean, "an array of () for 3 rows"), (Scores, "")]
)
def test_a_run_tries_a_foreign_loss_first(loss: type[glueft.Loss], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = glueft.Task()
    trained = TrainingLoss(loss(), task)
    try_foreign_loss(trained)  # it is not known to be foreign
    monkeypatch.setattr(attribution, "brought_by", lambda plugin: Point("squares", "squares", "1.0"))
    if not told:
        try_foreign_loss(trained)
        return
    with pytest.raises(glueft.PluginError, match="does not give one number for each row") as caught:
        try_foreign_loss(trained)
    assert told in caught.value.received


def test_a_validation_has_a_number_for_each_row() -> None:
    class One(Scores):
        def values(self, task: glueft.Task, logits: Any, labels: Any) -> Any:
            return 1.0

    predicted = np.zeros((3, 1), np.float32)
    with pytest.raises(glueft.PluginError, match="does not give one number for each row that is validated"):
        TrainingLoss(One(), glueft.Task()).mean(predicted, np.zeros(3, np.float32))
    assert TrainingLoss(Scores(), glueft.Task()).mean(predicted, np.ones(3, np.float32)) == 1


@pytest.mark.parametrize(("name", "fits"), [("focal", True), ("huber", False), ("none_such", False)])
def test_a_task_chooses_a_loss_that_suits_it(name: str, fits: bool) -> None:
    task = glueft.Task()
    task.name, task.labels, task.metrics = "trial", ("a", "b"), ("accuracy",)  # type: ignore[misc]
    assert metrics_breach(task, load_registry().classes) is None
    chosen = type("Choosing", (glueft.Task,), {"default_loss": lambda self: name})()
    chosen.name, chosen.labels, chosen.metrics = "trial", ("a", "b"), ("accuracy",)
    told = f"the `default_loss` of class Choosing must be one of cross_entropy, focal, and is {name!r}"
    assert metrics_breach(chosen, load_registry().classes) == (None if fits else told)


def test_a_run_refuses_weights_that_do_not_fit_the_labels() -> None:
    task = glueft.Task()
    task.name, task.labels = "trial", ("a", "b")  # type: ignore[misc]
    with pytest.raises(glueft.PluginError, match='the loss "halves" does not weigh the labels of trial'):
        _ = TrainingLoss(Halves(), task).label_weights
