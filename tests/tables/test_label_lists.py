"""Rows of any number of labels: lists, names joined in a text, a column of 0 and 1 each; and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.tables.read_tables import Tables
from glueft.tables.strata import strata_of

ROWS = [("one", ["b", "a"]), ("two", []), ("three", ["c"]), ("four", ["a"]), ("five", ["a", "c", "a"])]
INDICES = [[0, 1], [], [2], [0], [0, 2]]
COLUMNS = ["a", "b", "c"]


def read(train: Path, validation: Path | None = None, test: Path | None = None, **options: Any) -> Tables:
    files = {"train": train, "validation": validation or train, "test": test}
    given = {split: path for split, path in files.items() if path is not None}
    several = {} if "label_columns" in options else {"label": "tags", "multi_label": True}
    return glueft.read_tables(given, **{"texts": {"text": "text"}} | several | options)


def sets_of(tables: Tables, split: str = "train") -> list[list[int] | None]:
    return [None if row is None else sorted(set(row)) for row in tables.splits[split]["label"]]


def refused(*files: Path, **options: Any) -> str:
    with pytest.raises(glueft.DataError) as caught:
        read(*files, **options)
    assert all([caught.value.expected, caught.value.received, caught.value.fix])
    return str(caught.value)


def jsonl_of(path: Path, rows: list[tuple[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "tags": tags}) + "\n" for text, tags in rows))
    return path


def csv_of(path: Path, lines: list[str], header: str = "text,tags") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_every_form_gives_the_same_labels(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "tags": datasets.List(datasets.ClassLabel(names=COLUMNS))}
    )
    columns = {"text": [text for text, _ in ROWS], "tags": [tags for _, tags in ROWS]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "codes.parquet")
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "names.parquet")
    flags = [{"text": text} | {name: name in tags for name in COLUMNS} for text, tags in ROWS]
    datasets.Dataset.from_list(flags).to_parquet(tmp_path / "flags.parquet")
    quoted = [f'{text},"{json.dumps(tags).replace(chr(34), chr(34) * 2)}"' for text, tags in ROWS]
    joined = [f"{text},{'; '.join(tags)}" for text, tags in ROWS]
    numbers = [f"{text},{','.join(str(int(name in tags)) for name in COLUMNS)}" for text, tags in ROWS]
    found = [
        read(jsonl_of(tmp_path / "rows.jsonl", list(ROWS))),
        read(tmp_path / "codes.parquet"),
        read(tmp_path / "names.parquet"),
        read(csv_of(tmp_path / "quoted.csv", quoted)),
        read(csv_of(tmp_path / "joined.csv", joined)),
        read(csv_of(tmp_path / "bars.csv", [line.replace("; ", "|") for line in joined]), label_separator="|"),
        read(csv_of(tmp_path / "flags.csv", numbers, "text,a,b,c"), label_columns=COLUMNS),
        read(tmp_path / "flags.parquet", label_columns=COLUMNS),
    ]
    for tables in found:
        assert tables.labels == ("a", "b", "c") and sets_of(tables) == INDICES and tables.warnings == ()
        assert tables.splits["train"].features["label"] == datasets.List(datasets.ClassLabel(names=COLUMNS))
    for lists in ("codes", "names"):
        told = refused(tmp_path / f"{lists}.parquet", multi_label=False)
        assert 'row 1: "tags" is no label' in told and "multi_label = true in [task]" in told


def test_names_are_those_of_single_labels(tmp_path: Path) -> None:
    """Their order, the names of codes, and labels that look alike."""
    rows: list[tuple[str, Any]] = [("one", [10, 2]), ("two", [2]), ("three", [])]
    assert read(jsonl_of(tmp_path / "codes.jsonl", rows)).labels == ("2", "10")
    named = read(tmp_path / "codes.jsonl", label_names={"10": "ten", "2": "two"})
    assert named.labels == ("ten", "two") and sets_of(named) == [[0, 1], [1], []]
    assert read(tmp_path / "codes.jsonl", labels=["10", "2", "3"]).labels == ("10", "2", "3")
    alike = csv_of(tmp_path / "alike.csv", ["one,Good; bad", "two,good", "three,good;Bad", "four,bad"])
    (warning,) = read(alike).warnings
    assert warning.startswith('labels that look alike are classes of their own: "Bad" (2 rows), "bad" (4 rows); "Good"')
    folded = read(alike, fold_labels=True)
    assert folded.labels == ("bad", "good") and sets_of(folded) == [[0, 1], [1], [0, 1], [0]]
    (missing,) = read(jsonl_of(tmp_path / "none.jsonl", [("one", ["none"]), ("two", ["a"])])).warnings
    assert missing == (
        '"none" (2 rows) is a label here, and often means that a row has none: write an empty list, or list it in '
        "labels to have it so"
    )


def test_rows_to_predict_need_no_labels(tmp_path: Path) -> None:
    train = jsonl_of(tmp_path / "train.jsonl", list(ROWS))
    test = jsonl_of(tmp_path / "test.jsonl", [("six", None), ("seven", []), ("eight", ["c"])])
    assert sets_of(read(train, None, test), "test") == [None, [], [2]]
    assert sets_of(read(train, None, csv_of(tmp_path / "no.csv", ["six"], "text")), "test") == [None]
    assert sets_of(read(train, None, csv_of(tmp_path / "empty.csv", ["six,", "seven,"])), "test") == [None, None]
    assert sets_of(read(train, None, csv_of(tmp_path / "some.csv", ["six,", "seven,a"])), "test") == [[], [0]]
    hidden = jsonl_of(tmp_path / "hidden.jsonl", [("six", ["-1"]), ("seven", ["-1"])])
    assert sets_of(read(train, None, hidden), "test") == [None, None]
    flags = csv_of(tmp_path / "flags.csv", ["one,1,0", "two,0,1"], "text,a,b")
    rows = csv_of(tmp_path / "flags_test.csv", ["six,-1,-1", "seven,,", "eight,0,0", "nine,0,1"], "text,a,b")
    assert sets_of(read(flags, None, rows, label_columns=["a", "b"]), "test") == [None, None, [], [1]]
    assert sets_of(read(flags, None, tmp_path / "no.csv", label_columns=["a", "b"]), "test") == [None]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("one", None)], 'line 1: no labels in "tags"'),
        ([("one", 3), ("two", ["a"])], 'line 1: "tags" is no list of labels'),
        ([("one", ["a"]), ("two", ["b", None])], 'line 2: an empty label in "tags"'),
        ([("one", ["a", ["b"]])], 'line 1: "tags" is no label'),
        ([("one", ["a", "b\n"])], "holds a tab, a line break or the like"),
        ([("one", "a; ;b")], 'line 1: an empty label in "tags"'),
        ([("one", "['a', 'b']")], 'line 1: "tags" holds a list that is not JSON'),
        ([("one", []), ("two", [])], "has no label in any row"),
        (
            [("one", ["a"]), ("two", [])],
            'has one label only\n  expected: two labels or more in "tags"\n  received: "a" alone',
        ),
    ],
)
def test_cells_that_hold_no_labels_are_refused(rows: list[tuple[str, Any]], told: str, tmp_path: Path) -> None:
    assert told in refused(jsonl_of(tmp_path / "rows.jsonl", rows))


def test_labels_that_are_not_among_the_others_are_refused(tmp_path: Path) -> None:
    train = jsonl_of(tmp_path / "train.jsonl", list(ROWS))
    dev = jsonl_of(tmp_path / "dev.jsonl", [("six", ["a"]), ("seven", ["a", "d"])])
    told = refused(train, dev)
    assert "expected: no other labels" in told and 'only in dev.jsonl: "d" (from line 2)' in told
    assert "only in train.jsonl" not in told  # some labels may have no validation row
    assert 'the label "c" in "tags" is not one of the labels' in refused(train, labels=["a", "b"])


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("1,2", 'line 2: "b" holds neither 0 nor 1'),
        ("1,", 'line 2: "b" holds neither 0 nor 1'),
        ("-1,-1", 'line 2: "a" holds neither 0 nor 1'),
        ("yes,0", '"yes" (text)'),
    ],
)
def test_columns_hold_0_and_1(cells: str, told: str, tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", [f"one,{cells}"], "text,a,b")
    assert told in refused(train, label_columns=["a", "b"])


def test_a_test_file_has_all_of_the_columns_or_none(tmp_path: Path) -> None:
    train = csv_of(tmp_path / "train.csv", ["one,true,FALSE", "two,0.0,1.0"], "text,a,b")
    assert sets_of(read(train, label_columns=["a", "b"])) == [[0], [1]]
    told = refused(train, train, csv_of(tmp_path / "test.csv", ["one,1"], "text,a"), label_columns=["a", "b"])
    assert "has some of the label columns, and others not" in told and 'no "b"' in told
    assert 'has no column "c"' in refused(train, label_columns=["a", "c"])


def test_a_part_of_the_rows_has_its_share_of_each_set(tmp_path: Path) -> None:
    kinds: list[list[str]] = [["a"], ["b"], ["a", "b"], []]
    rows: list[tuple[str, Any]] = [(f"row {row}", kinds[row % 4]) for row in range(80)]
    rows += [("rare", ["c"]), ("rarer", ["a", "d"])]
    train = jsonl_of(tmp_path / "train.jsonl", rows)
    for seed in (1, 2, 3):
        tables = glueft.read_tables(
            {"train": train}, texts={"text": "text"}, label="tags", multi_label=True, validation_fraction=0.2,
            split_seed=seed,
        )  # fmt: skip
        counts = Counter(map(str, sets_of(tables, "validation")))
        assert all(3 <= counts[kind] <= 5 for kind in ("[0]", "[1]", "[0, 1]", "[]")), counts
        there = {label for row in sets_of(tables) for label in row or ()}
        assert there == {0, 1, 2, 3}  # Each label keeps a training row.
        assert len(tables.splits["train"]) + len(tables.splits["validation"]) == 82


def test_strata_have_as_many_rows_as_they_must() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((500, 6)) < [0.5, 0.4, 0.3, 0.1, 0.02, 0.002]).astype(np.int32)
    for least in (2, 5, 40, 300):
        strata = strata_of(labels, least)
        assert np.bincount(strata).min() >= least and strata.shape == (500,)
        for stratum in np.unique(strata):  # Rows of one set are in one stratum.
            of_sets = {row.tobytes() for row in labels[strata == stratum]}
            assert not any(row.tobytes() in of_sets for row in labels[strata != stratum])
    assert strata_of(labels[:3], 10).tolist() == [0, 0, 0]


def test_another_separator_than_the_one_that_is_told_makes_no_labels_of_several_names(tmp_path: Path) -> None:
    lines = ['one,"a,b"', "two,", "three,c", 'four,"b, c"', "five,a"]
    told = refused(csv_of(tmp_path / "commas.csv", lines))
    assert 'seem to have "," between them' in told and "which label_separator is by default" in told
    assert '"a,b" in line 2 as one label, where "a" is met elsewhere' in told
    assert 'set label_separator = ","; if such names are meant, give all labels in [task]: labels = ["a,b", "c"' in told
    pairs = refused(csv_of(tmp_path / "pairs.csv", ["one,a;b", "two,b;c", "three,a;c"]), label_separator="|")
    assert '"|" between the labels of a row, as label_separator says' in pairs and 'label_separator = ";"' in pairs
    names = ("a,b", "b, c", "c", "a")
    assert read(tmp_path / "commas.csv", labels=names).labels == names
    assert read(tmp_path / "commas.csv", label_separator=",").labels == ("a", "b", "c")
    # Names that have a comma and nothing in common with others are names; so are those of a list.
    towns = [f'{number},"{town}, France"' for number, town in enumerate(("Paris", "Lyon", "Nice"))]
    assert len(read(csv_of(tmp_path / "towns.csv", towns)).labels) == 3
    assert read(jsonl_of(tmp_path / "lists.jsonl", [("one", ["a,b"]), ("two", ["a"]), ("three", ["b"])])).labels == (
        "a",
        "a,b",
        "b",
    )
