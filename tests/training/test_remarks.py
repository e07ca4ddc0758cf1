"""The sentences on a result: each where it is due, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glueft.metrics.decision import Decided
from glueft.runs.record import Record
from glueft.training.remarks import remarks


def record(*accuracies: float, **changes: Any) -> Record:
    """The record of a run with an evaluation an epoch; the last is the result."""
    content = {
        "status": "running",
        "task": "mrpc",
        "seed": 1,
        "started": "",
        "run_dir": "",
        "metrics": {"accuracy": accuracies[-1]},
        "baseline": {"accuracy": 0.6},
        "epochs": [
            {"epoch": n, "step": n, "loss": 1.0, "validation_loss": 1.0, "metrics": {"accuracy": value}, "seconds": 1.0}
            for n, value in enumerate(accuracies, 1)
        ],
    }
    return Record.model_validate(content | changes)


def labels(*indices: int) -> Decided:
    return Decided(np.array(indices), np.eye(2)[list(indices)])


REFERENCES = np.array([0, 1, 0, 1])
GOOD = labels(0, 1, 0, 1)


def said(content: Record, predictions: Any = GOOD, references: Any = REFERENCES) -> list[str]:
    return [*remarks(content, predictions, references)]


def test_nothing_is_said_of_a_usual_run() -> None:
    assert said(record(0.7, 0.7, 0.8)) == []
    assert said(record(0.6)) == []  # exactly the baseline is no worse


def test_below_the_baseline() -> None:
    assert said(record(0.5)) == ["accuracy is below the baseline: 0.5000, and 0.6000 for always the same answer"]
    higher = record(0.7, metrics={"rmse": 1.5}, baseline={"rmse": 1.25}, epochs=[])
    assert said(higher) == ["rmse is above the baseline: 1.5000, and 1.2500 for always the same answer"]
    assert said(record(0.7, metrics={"rmse": 1.0}, baseline={"rmse": 1.25}, epochs=[])) == []


def test_an_epoch_that_was_better_than_the_last() -> None:
    assert said(record(0.9, 0.7, 0.9, 0.8)) == [
        "epoch 1 was better than the last: accuracy 0.9000 then, 0.8000 at the end; "
        'training.keep = "best" keeps the best'
    ]
    kept = {"metric": "accuracy", "value": 0.9, "step": 1, "epoch": 1, "evaluations": 2}
    assert said(record(0.9, 0.8, metrics={"accuracy": 0.9}, kept=kept)) == []
    assert said(record(0.9, 0.8, metrics={"accuracy": 0.9})) == []  # a callback has put the best weights back
    assert said(record(0.7, 0.9, metrics={"accuracy": 0.8})) == []  # the last was the best: its weights were averaged
    decision = {"temperature": 1.0, "threshold": 0.3, "plain_metrics": {"validation": {"accuracy": 0.8}}}
    data = {"source": "sample", "validation_split": "validation", "splits": {}}
    tuned = record(0.9, 0.8, metrics={"accuracy": 0.95}, decision=decision, data=data)
    assert [text[:45] for text in said(tuned)] == ["epoch 1 was better than the last: accuracy 0."]


def test_every_row_got_one_label() -> None:
    scores = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2, "predicted": 2}
    named = record(0.7, label_scores={"validation": {"no": scores, "yes": scores}})
    assert said(named, labels(1, 1, 1, 1)) == ['every row got one label, "yes"']
    assert said(named, labels(1, 1, 1, 1), np.array([1, 1, 1, 1])) == []
    nothing = Decided(np.zeros((4, 2), int), np.zeros((4, 2)))
    assert said(named, nothing, np.array([[1, 0], [0, 1], [1, 1], [0, 0]])) == ["no row got any label"]


def test_predicted_scores_that_cover_little_of_the_range() -> None:
    references = np.array([0.0, 5.0, 2.5], np.float32)
    narrow = np.array([0.42, 2.9, 1.0], np.float32)
    assert said(record(0.7), narrow, references) == ["the predictions cover 0.42 to 2.9 of 0 to 5"]
    assert said(record(0.7), 500 * narrow, 500 * references) == ["the predictions cover 210 to 1,450 of 0 to 2,500"]
    assert said(record(0.7), np.array([0.5, 4.5, 2.0], np.float32), references) == []


@pytest.mark.parametrize("kind", ["one label", "baseline"])
def test_what_a_collapse_is_warned_of_is_not_said_twice(kind: str) -> None:
    collapse = {
        "kind": kind, "sign": "all rows", "step": 1, "epoch": 1, "metric": "accuracy", "value": 0.5, "last_step": 1,
        "result": True,
    }  # fmt: skip
    assert said(record(0.5, collapse=collapse), labels(1, 1, 1, 1)) == []
    assert len(said(record(0.5, collapse=collapse | {"result": False}))) == 1
