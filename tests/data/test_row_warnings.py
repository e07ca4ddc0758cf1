"""What is said of valid rows before a training on them; nothing, where there is nothing to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.data.row_warnings import row_warnings
from glueft.data.rows import Rows, checked_for_leaks, load_rows
from glueft.data.sources import SampleSource
from glueft.plugin.registry import load_registry


class Notes(glueft.Task):
    """Notes."""

    name = "notes"
    inputs = ("text",)
    labels = ("a", "b", "c")


class Scores(Notes):
    """Scores."""

    labels = ()


def rows(name: str, labels: Sequence[float], texts: Sequence[str] = (), **more: Any) -> Rows:
    texts = texts or [f"{name} {row}" for row in range(len(labels))]
    whole = all(isinstance(label, int) for label in labels)
    given = np.array(labels, np.int32 if whole else np.float32)
    return Rows(name, (list(texts),), given, Notes.labels if whole else (), **more)


def warnings(train: Rows, validation: Rows, *, new_head: bool = True) -> list[str]:
    task = Notes() if train.label_names else Scores()
    splits = checked_for_leaks({"train": train, "validation": validation}, "warn")
    return list(row_warnings(task, splits, new_head=new_head))


def test_rows_with_nothing_to_say_of() -> None:
    assert warnings(rows("train", [0, 1, 2]), rows("validation", [2, 1, 0])) == []
    assert warnings(rows("train", [0.0, 2.5, 5.0]), rows("validation", [4.0, 5.0])) == []  # STS-B's scale
    assert warnings(rows("train", [0.0, 0.5, 1.0]), rows("validation", [0.5, 1.0])) == []


@pytest.mark.parametrize("name", ["mrpc", "sst2", "cola", "stsb", "mnli", "qnli", "qqp", "rte"])
def test_the_shipped_samples_have_nothing_to_warn_of(name: str) -> None:
    task = load_registry().find("task", name).cls()
    assert list(row_warnings(task, load_rows(task, SampleSource()), new_head=True)) == []


def test_labels_without_a_row() -> None:
    assert warnings(rows("train", [1, 1, 1], limited_from=60), rows("validation", [0, 1, 2])) == [
        'all 3 train rows have the label "b": there is nothing to learn; data.limit_train took the first 3 of 60 rows, '
        'and data.limit_draw = "stratified" draws rows of each label'
    ]
    assert warnings(rows("train", [0, 1, 1]), rows("validation", [2, 2])) == [
        'no train row has the label "c": a model cannot learn it',
        'all 2 validation rows have the label "c": the metrics cannot tell a model from that one answer',
    ]
    found = warnings(rows("train", [0, 1, 2]), rows("validation", [0, 1], limited_from=9, stratified=True))
    assert found == ['no validation row has the label "c": the metrics say nothing of it']


def test_scores_that_are_all_the_same() -> None:
    assert warnings(rows("train", [3.0, 3.0]), rows("validation", [2.0, 2.0])) == [
        "all 2 train rows have the same score, 3: there is nothing to learn",
        "all 2 validation rows have the same score, 2: correlations are not defined, and count as 0",
    ]


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([1e6 + 1, 1e6 + 3], "the mean 1e+06 and the standard deviation 1, which is far from 0"),
        ([0.0, 100.0], "the mean 50 and the standard deviation 50, which is far from 0"),
        ([1e-7, 3e-7], "which is far below what a new head says at first"),
    ],
)
def test_scores_far_from_unit_scale(scores: list[float], told: str) -> None:
    (found,) = warnings(rows("train", scores), rows("validation", [0.0, 1.0]))
    assert told in found and "(score - mean) / standard deviation" in found
    assert warnings(rows("train", scores), rows("validation", [0.0, 1.0]), new_head=False) == []


def test_training_texts_with_several_labels() -> None:
    validation = rows("validation", [0, 1, 2])
    same = ["same", "other", "same", "same"]
    assert warnings(rows("train", [0, 1, 2, 0], same), validation) == [
        "3 of the 4 train rows have the text of other train rows with another label (rows 0, 2, 3): no model can be "
        "right on all of them"
    ]
    assert warnings(rows("train", [0, 1, 0, 0, 2], [*same, "Same"]), validation) == []  # To a cased model another text.
    many = [f"text {row}" for row in range(400)]
    assert warnings(rows("train", [0, 1, 2, 0] * 100, ["text 1", *many[1:]]), validation) == []  # 2 of 400
