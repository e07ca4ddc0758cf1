"""Which splits are predicted, and what is said of one that has not all of its official rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glueft
from glueft.data.rows import Rows
from glueft.data.splits import describe_split, is_labelled, predicted_splits, rows_text, size_notes


class Genres(glueft.Task):
    """Two splits of either sort."""

    name = "genres"
    inputs = ("text",)
    labels = ("no", "yes")
    validation_splits = ("validation_matched", "validation_mismatched")
    test_splits = ("test_matched", "test_mismatched")
    sizes = {"train": 4, "validation_matched": 2}  # noqa: RUF012


ALL = ["train", *Genres.validation_splits, *Genres.test_splits]


@pytest.mark.parametrize(
    ("predict", "found", "expected"),
    [
        (["validation"], ALL, Genres.validation_splits),
        (["test", "validation"], ALL, (*Genres.test_splits, *Genres.validation_splits)),
        (["test_matched"], ALL, ("test_matched",)),
        (["validation_mismatched", "validation"], ALL, ("validation_mismatched", "validation_matched")),
        (["test"], ALL[:-1], ("test_matched",)),
        ([], ALL, ()),
    ],
)
def test_splits_are_named_or_meant_by_their_sort(
    predict: list[str], found: list[str], expected: tuple[str, ...]
) -> None:
    assert predicted_splits(Genres(), predict, found) == expected


@pytest.mark.parametrize(
    ("name", "rows"), [("test", "test_matched or test_mismatched"), ("test_matched", "test_matched")]
)
def test_a_split_that_the_data_does_not_have(name: str, rows: str) -> None:
    with pytest.raises(glueft.DataError, match=f"data.predict names the {name} split") as raised:
        predicted_splits(Genres(), [name], ALL[:3])
    assert raised.value.expected.startswith(f"rows for {rows}; splits found: train, validation_matched")
    assert name in raised.value.fix and raised.value.received


def rows(name: str, count: int, limited_from: int | None = None) -> Rows:
    return Rows(name, (["x"] * count,), np.zeros(count, np.int32), ("no", "yes"), limited_from)


@pytest.mark.parametrize(
    ("split", "notes", "record"),
    [
        (rows("train", 4), [], {"rows": 4}),
        (rows("validation_mismatched", 9), [], {"rows": 9}),  # The task does not say how many there should be.
        (rows("train", 3), ["train has 3 rows; officially it has 4"], {"rows": 3, "official_rows": 4}),
        (
            rows("train", 2, 4),
            ["train is limited to the first 2 of 4 rows"],
            {"rows": 2, "limited_from": 4, "official_rows": 4},
        ),
        (
            rows("train", 2, 5000),
            ["train is limited to the first 2 of 5,000 rows", "train has 5,000 rows; officially it has 4"],
            {"rows": 2, "limited_from": 5000, "official_rows": 4},
        ),
        (
            rows("validation_mismatched", 2, 9),
            ["validation_mismatched is limited to the first 2 of 9 rows"],
            {"rows": 2, "limited_from": 9},
        ),
    ],
)
def test_a_split_of_another_size_is_named(split: Rows, notes: list[str], record: dict[str, int]) -> None:
    assert size_notes(Genres(), {split.name: split}, {}) == notes
    counts = {"labels": {"no": len(split), "yes": 0}}
    assert describe_split(Genres(), split, None) == record | {"sha256": split.sha256} | counts


def split_of(labels: np.ndarray[Any, Any], *names: str) -> Rows:
    return Rows("validation", (["x"] * len(labels),), labels, names)


@pytest.mark.parametrize(
    ("split", "text"),
    [
        (
            split_of(np.array([0] * 75 + [1] * 78), "no", "yes"),
            "153 validation rows: no 75, yes 78; majority yes, 51 %",
        ),
        (
            split_of(np.array([1]), "no", "\x1b[2Jyes"),
            "1 validation row: no 0, \\x1b[2Jyes 1; majority \\x1b[2Jyes, 100 %",
        ),
        (split_of(np.array([0, -1]), "no", "yes"), "2 validation rows"),
        (
            split_of(np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 1200]), *"abcdefg"),
            "1,221 validation rows: 7 labels, 1 to 1,200 rows each; majority g, 98 %",
        ),
        (
            split_of(np.repeat(np.arange(7), 2), *"abcdefg"),
            "14 validation rows: 7 labels, 2 rows each; majority a, 14 %",
        ),
        (
            split_of(np.array([[1, 0], [1, 1], [0, 0], [1, 0]]), "no", "yes"),
            "4 validation rows: no 3, yes 1; most often no, 75 %",
        ),
        (split_of(np.array([0.5, 4.0, 3.3], np.float32)), "3 validation rows: scores 0.5 to 4, mean 2.6"),
        (split_of(np.array([np.nan], np.float32)), "1 validation row"),
    ],
)
def test_what_is_said_of_rows(split: Rows, text: str) -> None:
    assert rows_text(split) == text


def test_broken_lines_that_were_left_out_are_named() -> None:
    assert size_notes(Genres(), {"train": rows("train", 4)}, {"train": 24}) == [
        "train is without 24 broken lines of its file"
    ]


def test_labels_that_are_hidden() -> None:
    assert is_labelled(np.array([0, 1], np.int32)) and is_labelled(np.array([0.5, -1.0], np.float32))
    assert not is_labelled(np.array([0, -1], np.int32))
    assert not is_labelled(np.array([0.5, np.nan], np.float32))
