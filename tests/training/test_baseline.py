"""The baseline of a task: its metrics when the same is said of every row."""

from __future__ import annotations

import numpy as np
import pytest

import glueft
from glueft.training.scores import baseline, majority_accuracy


class Pairs(glueft.Task):
    """Two labels."""

    name = "pairs"
    inputs = ("text",)
    labels = ("different", "same")
    metrics = ("accuracy", "f1", "matthews_correlation")


class Scores(glueft.Task):
    """A regression."""

    name = "scores"
    inputs = ("text",)
    metrics = ("pearson", "spearmanr")


def test_the_commonest_training_label_is_said_of_every_validation_row() -> None:
    validation = np.array([1, 1, 0, 0, 0], np.int32)
    # "same" is commoner in training: right for 2 of 5, precision 2/5 and recall 1 make an F1 of 4/7.
    assert baseline(Pairs(), np.array([1, 1, 0], np.int32), validation) == {
        "accuracy": 2 / 5,
        "f1": pytest.approx(4 / 7),
        "matthews_correlation": 0.0,
    }
    # The first of labels that are as common as each other.
    values = baseline(Pairs(), np.array([1, 0], np.int32), validation)
    assert (values["accuracy"], values["f1"]) == (3 / 5, 0.0)


def test_in_regression_a_constant_correlates_with_nothing() -> None:
    train, validation = np.array([0.0, 5.0], np.float32), np.array([1.0, 2.0, 4.0], np.float32)
    assert baseline(Scores(), train, validation) == pytest.approx(
        {"pearson": 0.0, "spearmanr": 0.0, "mae": 3.5 / 3, "rmse": (4.75 / 3) ** 0.5}
    )


def test_majority_accuracy_is_that_of_the_validation_rows_themselves() -> None:
    assert majority_accuracy(Pairs(), np.array([1, 1, 0, 0, 0], np.int32)) == 3 / 5
    assert majority_accuracy(Scores(), np.array([1.0], np.float32)) is None
