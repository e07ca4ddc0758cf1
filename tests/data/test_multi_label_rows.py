"""Rows of any number of labels: checked, fingerprinted, drawn, held out, in folds, and warned of."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.folds import folds_of
from glueft.data.held_out import held_out_rows
from glueft.data.limited_draw import FewShotDraw, stratified_draw
from glueft.data.row_warnings import row_warnings
from glueft.data.rows import Rows, label_counts, load_rows, names_of
from glueft.data.sources import FolderSource, Source
from glueft.data.splits import is_labelled, size_notes
from glueft.errors import DataError
from glueft.recipe.sections import Data

OF_LABEL = datasets.List(datasets.ClassLabel(names=["sun", "rain", "wind"]))
NOTES: dict[str, Any] = {"text": ["a", "b", "c", "d"], "label": [[1, 0], [], [2, 2], [0]]}


class Weather(glueft.Task):
    """What the weather has."""

    name = "weather"
    inputs = ("text",)
    labels = ("sun", "rain", "wind")
    multi_label = True
    metrics = ("micro_f1",)


def split(columns: dict[str, Any], feature: Any = OF_LABEL) -> datasets.Dataset:
    features = datasets.Features({"text": datasets.Value("string"), "label": feature})
    return datasets.Dataset.from_dict(columns, features=features)


def load(
    columns: dict[str, Any] = NOTES,
    feature: Any = OF_LABEL,
    test: dict[str, Any] | None = None,
    validation: dict[str, Any] = NOTES,
    **settings: Any,
) -> tuple[glueft.Task, dict[str, Rows]]:
    class Loaded(Weather):
        """Rows."""

        def load(self, source: Source) -> datasets.DatasetDict:
            splits = {"train": split(columns, feature), "validation": split(validation, feature)}
            return datasets.DatasetDict(splits | ({} if test is None else {"test": split(test)}))

    task = Loaded()
    return task, load_rows(task, FolderSource("nowhere"), Data(**settings).selection)


def test_labels_are_0_and_1_for_each() -> None:
    task, rows = load(test={"text": ["e", "f"], "label": [None, [1]]})
    assert rows["train"].labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert rows["train"].labels.dtype == np.int32 and len(rows["train"]) == 4
    assert rows["test"].labels.tolist() == [[-1, -1, -1], [0, 1, 0]]
    assert [is_labelled(split.labels) for split in rows.values()] == [True, True, False]
    assert task.label_counts == label_counts(rows["train"].labels, 3) == (2, 1, 1) and task.train_rows == 4
    assert label_counts(rows["test"].labels, 3) == (0, 1, 0)
    assert [names_of(row, task.labels) for row in rows["test"].labels] == [None, ["rain"]]
    assert load(NOTES, datasets.LargeList(OF_LABEL.feature))[1]["train"].labels.sum() == 4


def test_the_fingerprint_has_the_names_of_a_row_s_labels_whatever_their_order() -> None:
    _, rows = load(test={"text": ["e"], "label": [None]})
    lines = '["a",["rain","sun"]]\n["b",[]]\n["c",["wind"]]\n["d",["sun"]]\n'
    assert rows["train"].sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert rows["test"].sha256 == hashlib.sha256(b'["e",null]\n').hexdigest()


@pytest.mark.parametrize(
    ("labels", "feature", "told"),
    [
        ([0, 1, 2, 0], OF_LABEL.feature, "are no lists: multi_label is set"),
        ([[0], [1], [2], [0]], datasets.List(datasets.Value("int64")), "have no names"),
        ([[0]] * 4, datasets.List(datasets.ClassLabel(names=["rain", "sun", "wind"])), "are in another order"),
        ([[0], None, [1], [2]], OF_LABEL, "has rows without labels"),
    ],
)
def test_what_are_no_lists_of_the_labels_is_refused(labels: list[Any], feature: Any, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        load(NOTES | {"label": labels}, feature, validation=NOTES | {"label": labels})
    assert all([caught.value.expected, caught.value.received, caught.value.fix])


def test_lists_are_refused_where_the_task_has_one_label_a_row() -> None:
    class One(Weather):
        """One label a row."""

        multi_label = False
        metrics = ("accuracy",)

        def load(self, source: Source) -> datasets.DatasetDict:
            return datasets.DatasetDict(train=split(NOTES), validation=split(NOTES))

    with pytest.raises(DataError, match="are lists, and the task does not set multi_label"):
        load_rows(One(), FolderSource("nowhere"))


def many(rows: int = 400) -> np.ndarray:
    labels = (np.random.default_rng(0).random((rows, 3)) < [0.5, 0.3, 0.1]).astype(np.int32)
    labels[:2, 2] = 1
    return labels


def shares(labels: np.ndarray) -> dict[bytes, float]:
    return {row: count / len(labels) for row, count in Counter(row.tobytes() for row in labels).items()}


def test_draws_keep_the_share_of_each_set_of_labels() -> None:
    labels = many()
    keys = [*range(len(labels))]
    limited, held = stratified_draw(labels, 100, 7), held_out_rows(labels, keys, 100, 7)
    folds = folds_of(labels, keys, 4, 7)
    assert len(limited) == len(held) == 100
    for drawn in (limited, held, *(np.flatnonzero(folds == fold) for fold in range(4))):
        found = shares(labels[drawn])
        assert all(abs(found.get(row, 0) - share) <= 0.02 for row, share in shares(labels).items())
    assert (stratified_draw(labels, 100, 7) == limited).all() and (held_out_rows(labels, keys, 100, 7) == held).all()
    assert not (stratified_draw(labels, 100, 8) == limited).all()


def test_what_is_drawn_by_sets_says_so() -> None:
    columns = {"text": [f"text {row}" for row in range(40)], "label": [[row % 3] for row in range(40)]}
    task, rows = load(columns, held_out=0.25)
    assert (len(rows["train"]), len(rows["held_out"])) == (30, 10) and task.train_rows == 30
    assert size_notes(task, rows, {})[0].startswith("held_out is 10 of the 40 train rows, drawn by set of labels")
    with pytest.raises(DataError, match="the rows have any number of labels") as caught:
        FewShotDraw(2, 0).positions(rows["train"].labels, task.labels)
    assert caught.value.received == "a multi-label task"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0], [1], [1], []], ['no train row has the label "wind": a model cannot learn it']),
        ([[0, 1], [0, 2], [0], [0]], ['all 4 train rows have the label "sun": a model learns to give it to all texts']),
        ([[], [], [], []], ["all 4 train rows have none of the labels: there is nothing to learn"]),
        ([[0, 2]] * 4, ['all 4 train rows have the labels "sun" and "wind" and no other: there is nothing to learn']),
    ],
)
def test_labels_of_no_row_or_of_each_are_warned_of(labels: list[Any], told: list[str]) -> None:
    task, rows = load(NOTES | {"label": labels, "text": ["e", "f", "g", "h"]})
    assert [*row_warnings(task, rows, new_head=True)] == told


def test_rows_that_contradict_each_other_are_warned_of() -> None:
    task, rows = load(NOTES | {"text": ["e", "e", "e", "f"], "label": [[0], [0, 1], [0], [2]]})
    (told,) = row_warnings(task, rows, new_head=True)
    assert told.startswith("3 of the 4 train rows have the text of other train rows with other labels (rows 0, 1, 2)")
