"""Rows of a user's own files: labels found or given, scores, validation rows taken by label, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import glueft
from glueft.tables.labels import sorted_names
from glueft.tables.read_tables import Tables

NOTES = [(f"note number {number}", "abc"[number % 3]) for number in range(30)]


def csv_of(path: Path, rows: list[tuple[str, ...]], header: str = "text,label") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def jsonl_of(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(train: Path, validation: Path | None = None, test: Path | None = None, **options: Any) -> Tables:
    files = {"train": train, "validation": validation, "test": test}
    given = {split: path for split, path in files.items() if path is not None}
    return glueft.read_tables(given, **{"texts": {"text": "text"}, "label": "label"} | options)


def refused(*files: Path, **options: Any) -> str:
    with pytest.raises(glueft.DataError) as caught:
        read(*files, **options)
    assert all([caught.value.expected, caught.value.received, caught.value.fix])
    return str(caught.value)


def labels_of(tables: Tables, split: str) -> list[str]:
    return [tables.labels[index] for index in tables.splits[split]["label"]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b", "a", "B"], ("B", "a", "b")),
        (["10", "2", "1"], ("1", "2", "10")),
        (["-1", "1e1", "0.5"], ("-1", "0.5", "1e1")),
        (["10", "2", "x"], ("10", "2", "x")),
        (["nan", "2", "10"], ("10", "2", "nan")),
        (["NA", "null", ""], ("", "NA", "null")),
    ],
)
def test_names_are_sorted_by_number_where_all_are_numbers(names: list[str], expected: tuple[str, ...]) -> None:
    assert sorted_names(names) == sorted_names(reversed(names)) == expected


def test_labels_are_found_in_the_training_rows(tmp_path: Path) -> None:
    rows = [("one", "NA"), ("two", "null"), ("three", "=1+1"), ("four", "<script>x</script>"), ("five", "NA")]
    train = csv_of(tmp_path / "train.csv", rows)
    tables = read(train, csv_of(tmp_path / "dev.csv", rows[::-1]))
    assert tables.labels == ("<script>x</script>", "=1+1", "NA", "null")
    assert tables.splits["train"].features["label"].names == list(tables.labels)
    assert labels_of(tables, "train") == [label for _, label in rows]
    assert tables.splits["validation"]["text"] == [text for text, _ in rows[::-1]]
    assert tables.files["train"] == {"path": str(train), "sha256": hashlib.sha256(train.read_bytes()).hexdigest()}


def test_given_labels_keep_their_order_and_need_not_all_occur(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "b"), ("two", "a")])
    dev = csv_of(tmp_path / "dev.csv", [("three", "c")])
    tables = read(train, dev, labels=["c", "b", "a"])
    assert tables.labels == ("c", "b", "a")
    assert tables.splits["train"]["label"] == [1, 2]
    assert tables.splits["validation"]["label"] == [0]


def test_labels_of_json_and_parquet_are_named_as_they_are_written(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    train = jsonl_of(tmp_path / "train.jsonl", [{"text": "x", "label": label} for label in (10, 9, True, "9", -1.5)])
    assert read(train, train).labels == ("-1.5", "10", "9", "true")
    table = pyarrow.table({"text": ["a", "b", "c"], "label": pyarrow.array([2, 10, 2])})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    tables = read(tmp_path / "train.parquet", tmp_path / "train.parquet")
    assert tables.labels == ("2", "10")
    assert tables.splits["train"]["label"] == [0, 1, 0]


def test_two_texts(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "uno", "a"), ("two", "due", "b")], "left,right,label")
    tables = read(train, train, texts={"text": "right", "text_pair": "left"})
    assert tables.splits["train"].column_names == ["text", "text_pair", "label"]
    assert (tables.splits["train"]["text"], tables.splits["train"]["text_pair"]) == (["uno", "due"], ["one", "two"])


def test_test_rows_need_no_labels(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "a"), ("two", "b")])
    none = csv_of(tmp_path / "none.csv", [("three",), ("four",)], "text")
    assert read(train, train, none).splits["test"]["label"] == [-1, -1]
    some = csv_of(tmp_path / "some.csv", [("three", ""), ("four", "b")])
    assert read(train, train, some).splits["test"]["label"] == [-1, 1]
    wrong = csv_of(tmp_path / "wrong.csv", [("three", "a"), ("four", "d")])
    assert 'wrong.csv, line 3: the label "d" in "label" is not one of the labels' in refused(train, train, wrong)


def test_scores(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "3.5"), ("two", " -1e2 ")])
    none = csv_of(tmp_path / "none.csv", [("three",), ("four",)], "text")
    tables = read(train, train, none, regression=True)
    assert tables.labels == ()
    assert tables.splits["train"]["label"] == [3.5, -100.0]
    assert all(map(math.isnan, tables.splits["test"]["label"]))
    assert tables.splits["train"].features["label"].dtype == "float32"


@pytest.mark.parametrize(
    "cell", ["nan", "inf", "-Infinity", "1e39", "1e999", "1_000", "1,5", "", "five", "0x10", "\u0661"]
)
def test_what_is_no_finite_number(cell: str, tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "1"), ("two", f'"{cell}"')])
    error = refused(train, train, regression=True)
    assert 'train.csv, line 3: "label" is not a finite number' in error
    assert f'received: "{cell}" (text)' in error


@pytest.mark.parametrize("value", [None, True, [1], float("nan"), float("inf")])
def test_what_is_no_finite_number_in_json(value: object, tmp_path: Path) -> None:
    train = jsonl_of(tmp_path / "train.jsonl", [{"text": "one", "label": 2}, {"text": "two", "label": value}])
    assert 'line 2: "label" is not a finite number' in refused(train, train, regression=True)


WRONG_ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no text": ({"text": "", "label": "a"}, 'no text in "text"', 'received: ""'),
    "white text": ({"text": " \u2003\n", "label": "a"}, 'no text in "text"', "more than white space"),
    "null text": ({"text": None, "label": "a"}, 'no text in "text"', "received: null"),
    "number": ({"text": 12, "label": "a"}, '"text" is not text', '"12" (a number)'),
    "list": ({"text": ["x"], "label": "a"}, '"text" is not text', "(a list)"),
    "half": ({"text": "x\ud83d", "label": "a"}, '"text" holds half a character', "\\ud83d"),
    "no label": ({"text": "x", "label": ""}, 'no label in "label"', "in every row"),
    "null label": ({"text": "x", "label": None}, 'no label in "label"', "received: null"),
    "nan label": ({"text": "x", "label": float("nan")}, 'no label in "label"', "received: null"),
    "object": ({"text": "x", "label": {"a": 1}}, '"label" is no label', "(an object)"),
    "tab": ({"text": "x", "label": "a\tb"}, "holds a tab, a line break", "a name on one line"),
    "outside": ({"text": "x", "label": "bb"}, 'the label "bb" in "label" is not one of the labels', 'mean "b"?'),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_a_wrong_row_is_named_by_its_line(case: str, tmp_path: Path) -> None:
    row, *parts = WRONG_ROWS[case]
    train = jsonl_of(tmp_path / "train.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}, row])
    error = refused(train, train, labels=["a", "b"])
    assert "train.jsonl, line 3: " in error
    for part in parts:
        assert part in error


def test_rows_of_parquet_are_counted(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["a", None, "c"], "label": [0, 1, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    assert 'train.parquet, row 2: no text in "text"' in refused(tmp_path / "train.parquet", tmp_path / "train.parquet")
    table = pyarrow.table({"text": [b"a", b"b"], "label": [0, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "bytes.parquet")
    assert '"text" is not text; 2 problems' in refused(tmp_path / "bytes.parquet", tmp_path / "bytes.parquet")


def test_a_label_in_quotes_that_do_not_close_where_they_should(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('text,label\none,a\ntwo,"b\nthree,a\nfour,"\nfive,b\n')
    assert "line 3: the label" in refused(path, path)


def test_train_and_validation_with_other_labels(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [("one", "a"), ("two", "b"), ("three", "c")])
    dev = csv_of(tmp_path / "dev.csv", [("four", "a"), ("five", "B"), ("six", "b")])
    error = refused(train, dev)
    assert f"{dev} does not have the labels of {train}" in error
    assert 'only in train.csv: "c"; only in dev.csv: "B" (from line 3)' in error
    assert 'labels = ["B", "a", "b", "c"]' in error
    read(train, dev, labels=["B", "a", "b", "c"])


def test_a_column_that_holds_no_labels(tmp_path: Path) -> None:
    same = csv_of(tmp_path / "same.csv", [("one", "a"), ("two", "a")])
    assert "has one label only" in refused(same, same)
    numbers = csv_of(tmp_path / "numbers.csv", [(f"row {number}", f"{number / 7}") for number in range(40)])
    assert "hardly holds labels" in (error := refused(numbers, numbers))
    assert "add regression = true if these are scores" in error
    names = csv_of(tmp_path / "names.csv", [(f"row {number}", f"name {number}") for number in range(40)])
    assert "regression" not in refused(names, names)


# Stratified validation rows.


def test_each_split_gets_its_share_of_each_label(tmp_path: Path) -> None:
    counts = {"common": 90, "some": 30, "rare": 7}
    rows = [(f"{label} {number}", label) for label, count in counts.items() for number in range(count)]
    train = csv_of(tmp_path / "train.csv", rows)
    tables = read(train, validation_fraction=0.2)
    held = Counter(labels_of(tables, "validation"))
    assert sum(held.values()) == math.ceil(0.2 * len(rows))
    for label, count in counts.items():
        assert abs(held[label] - 0.2 * count) < 1
    texts = {split: list(tables.splits[split]["text"]) for split in ("train", "validation")}
    assert sorted(texts["train"] + texts["validation"]) == sorted(text for text, _ in rows)
    order = [text for text, _ in rows]
    for split in texts.values():
        assert split == sorted(split, key=order.index)
    assert list(tables.files) == ["train"]


def test_the_choice_hangs_on_the_seed_alone(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", list(NOTES))

    def held(**options: Any) -> list[str]:
        texts: list[str] = read(train, validation_fraction=0.3, **options).splits["validation"]["text"]
        return texts

    assert held(split_seed=1) == held(split_seed=1) != held(split_seed=2)
    assert held() == held(split_seed=42)


def test_a_regression_takes_any_rows(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [(f"row {number}", f"{number / 3}") for number in range(20)])
    tables = read(train, validation_fraction=0.25, regression=True)
    assert (len(tables.splits["train"]), len(tables.splits["validation"])) == (15, 5)
    one = csv_of(tmp_path / "one.csv", [("row", "1")])
    assert "is too small for validation_fraction = 0.25" in refused(one, validation_fraction=0.25, regression=True)


def test_too_few_rows_to_take_some(tmp_path: Path) -> None:
    single = csv_of(tmp_path / "single.csv", [*NOTES, ("alone", "d"), ("alone too", "e")])
    error = refused(single, validation_fraction=0.3)
    assert 'has a single row of the label "d"' in error
    assert 'line 32 alone; the same of "e"' in error
    assert "validation = ..." in error

    notes = csv_of(tmp_path / "notes.csv", list(NOTES))
    error = refused(notes, validation_fraction=0.05)
    assert "is too small for validation_fraction = 0.05" in error
    assert "3 rows, one a label, for validation" in error
    assert "2 of 30 rows" in error
    assert "raise validation_fraction" in error
    assert "lower validation_fraction" in refused(notes, validation_fraction=0.95)
    few = csv_of(tmp_path / "few.csv", [("one", "a"), ("two", "a"), ("three", "b"), ("four", "b"), ("five", "a")][:3])
    assert "single row" in refused(few, validation_fraction=0.5)

    uneven = csv_of(tmp_path / "uneven.csv", [*((f"row {row}", "a") for row in range(98)), ("x", "b"), ("y", "b")])
    assert 'keeps no row of the label "b" for training' in refused(uneven, validation_fraction=0.97)
