"""Rows of other splits that stand in the training rows: found, told, dropped or refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.row_warnings import row_warnings
from glueft.data.rows import Rows, checked_for_leaks, load_rows, load_split
from glueft.data.sources import FolderSource
from glueft.data.splits import describe_leaks, describe_split, size_notes
from glueft.errors import DataError
from glueft.plugin.task import Source
from glueft.recipe.sections import Data

LABELS = ("a", "b")


class Notes(glueft.Task):
    """Notes, some of which stand in two splits."""

    name = "notes"
    inputs = ("text",)
    labels = LABELS
    test_splits = ("test",)

    def load(self, source: Source) -> datasets.DatasetDict:
        columns = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=[*LABELS])})
        texts = {
            "train": ["One text.", "another", "a third", "Straße", "the last", "ANOTHER"],
            "validation": ["One text.", "new", " A\u00a0 third\n", "STRASSE"],
            "test": ["newer", "another"],
        }
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"text": column, "label": [-1 if split == "test" else row % 2 for row in range(len(column))]},
                    features=columns,
                )
                for split, column in texts.items()
            }
        )


def load(**settings: object) -> dict[str, Rows]:
    return load_rows(Notes(), FolderSource("nowhere"), Data(**settings).selection)


def rows(name: str, *texts: Sequence[str]) -> Rows:
    return Rows(name, tuple(map(list, texts)), np.zeros(len(texts[0]), np.int32), LABELS)


VALIDATION = (
    "3 of the 4 validation rows (75.0%) have the text of a training row (1 exactly, 2 but for case and white space; "
    "rows 0, 2, 3)"
)
TEST = "1 of the 2 test rows (50.0%) has the text of a training row (all exactly; row 1)"


def test_rows_that_were_trained_on_are_told_of() -> None:
    loaded = load()
    assert len(loaded["train"]) == 6 and size_notes(Notes(), loaded, {}) == []
    told = [f"{text}: they do not measure how the model does on new texts" for text in (VALIDATION, TEST)]
    assert list(row_warnings(Notes(), loaded, new_head=True)) == told
    assert describe_leaks(loaded) == {
        "validation": {"rows": 3, "exact": 1, "first": [0, 2, 3]},
        "test": {"rows": 1, "exact": 1, "first": [1]},
    }
    assert "dropped" not in describe_split(Notes(), loaded["train"], None)


def test_they_are_dropped_from_the_training_rows_and_from_no_others() -> None:
    loaded, whole = load(leaks="drop"), load()
    assert loaded["train"].texts == (["the last"],) and loaded["train"].labels.tolist() == [0]
    assert all(loaded[split].sha256 == whole[split].sha256 for split in ("validation", "test"))
    assert list(row_warnings(Notes(), loaded, new_head=True)) == [
        'the only train row has the label "a": there is nothing to learn'
    ]
    assert size_notes(Notes(), loaded, {}) == [f"5 train rows dropped (data.leaks): {VALIDATION}; {TEST}"]
    assert size_notes(Notes(), {"train": loaded["train"]}, {}) == ["5 train rows dropped (data.leaks)"]
    described = describe_split(Notes(), loaded["train"], None)
    assert (described["rows"], described["dropped"]) == (1, 5)
    # One split that is read alone, as by `glueft evaluate`.
    alone = {name: load_split(Notes(), FolderSource("no"), name, Data(leaks="drop").selection) for name in loaded}
    assert {name: split.sha256 for name, split in alone.items()} == {name: loaded[name].sha256 for name in loaded}


def test_they_are_refused() -> None:
    with pytest.raises(DataError, match="measured on stand among the training rows") as caught:
        load(leaks="error")
    assert caught.value.received == f"{VALIDATION}; {TEST} (counted from 0)"
    assert 'data.leaks = "drop"' in caught.value.fix


def test_limits_come_first() -> None:
    loaded = load(leaks="drop", limit_train=5, limit_validation=2)
    assert loaded["train"].texts == (["a third", "Straße", "the last"],)
    assert size_notes(Notes(), loaded, {})[:1] == ["train is limited to the first 5 of 6 rows"]


def test_held_out_rows_are_looked_at_in_place_of_the_validation_rows() -> None:
    loaded = load(leaks="drop", held_out=2)
    assert set(loaded["train"].keys).isdisjoint({*loaded["held_out"].keys, *loaded["test"].keys})
    assert loaded["held_out"].sha256 == load(held_out=2)["held_out"].sha256
    assert loaded["train"].part_of == 6 and loaded["held_out"].leaks is not None


def test_no_training_row_would_be_left() -> None:
    with pytest.raises(DataError, match="leaves no training row") as caught:
        load(leaks="drop", limit_train=2)
    assert "2 training rows, all of which" in caught.value.received


def test_a_pair_counts_with_both_its_texts_in_their_order() -> None:
    train = rows("train", ["x", "y", "z"], ["1", "2", "3"])
    checked = checked_for_leaks({"train": train, "validation": rows("validation", ["x", "Y", "1"], "22x")}, "warn")
    leaks = checked["validation"].leaks
    assert leaks is not None and (leaks.rows, leaks.exact) == ((1,), 0)
    assert str(leaks).startswith("1 of the 3 validation rows (33.3%) has the texts of a")
    alone = replace(leaks, of=1, rows=(0,))
    assert str(alone) == "the only validation row has the texts of a training row (but for case and white space)"


def test_as_many_rows_as_those_of_qqp_take_little_time() -> None:
    """A quarter of them: 91,000 training and 10,000 validation pairs."""
    texts = [f"How does one find the number {row} among some other words?" for row in range(91_000)]
    splits = {"train": rows("train", texts, texts), "validation": rows("validation", texts[:10_000], texts[:10_000])}
    begin = time.process_time()
    checked = checked_for_leaks(splits, "drop")
    assert time.process_time() - begin < 2
    assert len(checked["train"]) == 81_000 and checked["validation"].leaks is not None
