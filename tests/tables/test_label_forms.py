"""Labels that a reader takes for one, those that mean that there is none, and names for codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import glueft
from glueft.data.rows import load_rows
from glueft.data.sources import OwnFiles
from glueft.tables.label_forms import folded, label_warnings
from glueft.tables.read_tables import Tables
from glueft_tasks.table import Table


def jsonl(path: Path, labels: list[Any]) -> Path:
    rows = ({"text": f"text {number}", "label": label} for number, label in enumerate(labels))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(train: Path, validation: Path | None = None, test: Path | None = None, **options: Any) -> Tables:
    files = {"train": train, "validation": validation or train} | ({"test": test} if test else {})
    return glueft.read_tables(files, texts={"text": "text"}, label="label", **options)


def names(tables: Tables, split: str = "train") -> list[str | None]:
    return [None if index < 0 else tables.labels[index] for index in tables.splits[split]["label"]]


@pytest.mark.parametrize(
    "alike",
    [
        [
            "good",
            "Good",
            "GOOD",
            " good",
            "good ",
            "good\u00a0",
            "good\u200b",
            "\ufeffgood",
            "\uff47\uff4f\uff4f\uff44",
        ],
        ["so so", "So  so", "so\u00a0so", "so\u202fso"],
        ["1", "1.0", "01", "+1", "1e0", "1.", " 1", "\uff11"],
        ["0", "-0.0", "0.00", "0e5"],
        ["é", "e\u0301", "É", "E\u0301"],
        ["straße", "STRASSE"],
    ],
    ids=lambda names: names[0],
)
def test_what_looks_alike(alike: list[str]) -> None:
    assert len({folded(name) for name in alike}) == 1


def test_what_does_not() -> None:
    different = ["good", "goods", "not_good", "not good", "notgood", "1", "1_0", "10", "1,0", "-1", "e", "é", "1e999"]
    assert len({folded(name) for name in different}) == len(different)


def test_labels_that_look_alike_are_counted(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["good"] * 5 + ["Good"] + ["bad"] * 4 + ["bad "] * 2)
    assert read(train).warnings == (
        'labels that look alike are classes of their own: "Good" (2 rows), "good" (10 rows); "bad" (8 rows), "bad " (4 '
        "rows). They differ in white space and case: fold_labels = true in [task] makes them one",
    )
    numbers = jsonl(tmp_path / "numbers.jsonl", [1, 1.0, 0, 0.0])
    (warning,) = read(numbers).warnings
    assert '"0" (2 rows), "0.0" (2 rows); "1" (2 rows), "1.0" (2 rows). They differ in number form:' in warning
    assert read(jsonl(tmp_path / "fine.jsonl", ["good", "bad", "not bad", "not_bad", 1, 10])).warnings == ()


def test_letters_that_are_not_told_apart_are_written_out() -> None:
    (warning,) = label_warnings({"é": 1, "e\u0301": 2})
    assert '"é" (1 row), "e\\u0301" (2 rows). They differ in Unicode form' in warning
    (warning,) = label_warnings({"go\u00a0od": 1, "go od": 2})
    assert '"go\\xa0od" (1 row), "go od" (2 rows)' in warning


def test_look_alikes_across_splits(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["good", "bad"])
    dev = jsonl(tmp_path / "dev.jsonl", ["Good", "bad", "bad"])
    with pytest.raises(glueft.DataError, match=r"does not have the labels of") as caught:
        read(train, dev)
    assert caught.value.fix.startswith("fold_labels = true in [task] makes those that look alike one; or correct")
    with pytest.raises(glueft.DataError, match='the label "Good" in "label" is not one of the labels') as caught:
        read(train, dev, labels=["good", "bad"])
    assert 'fold_labels = true in [task] takes it for "good"' in caught.value.fix
    tables = read(train, dev, jsonl(tmp_path / "test.jsonl", [None, "BAD"]), fold_labels=True)
    assert tables.warnings == () and tables.labels == ("bad", "good")
    assert names(tables, "validation") == ["good", "bad", "bad"] and names(tables, "test") == [None, "bad"]


def test_folded_labels_are_called_as_most_rows_have_it_or_as_given(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["bad ", "bad ", "BAD", "Good", 1.0, 1, 1.0])
    tables = read(train, fold_labels=True)
    assert tables.labels == ("1.0", "Good", "bad") and tables.warnings == ()
    assert names(tables) == ["bad", "bad", "bad", "Good", "1.0", "1.0", "1.0"]
    assert read(train, fold_labels=True, labels=["good", "Bad", "1"]).labels == ("good", "Bad", "1")
    test = jsonl(tmp_path / "test.jsonl", ["BAD"] * 9 + ["good"] * 9)  # A file that comes later renames nothing.
    tables = read(train, test=test, fold_labels=True)
    assert tables.labels == ("1.0", "Good", "bad") and names(tables, "test") == ["bad"] * 9 + ["Good"] * 9


def test_errors_that_come_of_look_alikes_say_so(tmp_path: Path) -> None:
    wanted = "fold_labels = true in [task] makes those that look alike one; or "
    single = jsonl(tmp_path / "single.jsonl", ["good", "bad", "bad"] * 4 + ["Good"])
    many = jsonl(tmp_path / "many.jsonl", ["yes", "Yes", "no", "NO"] * 2)
    for train, message in ((single, "a single row"), (many, "too small for validation_fraction")):
        with pytest.raises(glueft.DataError, match=message) as caught:
            read(train, validation_fraction=0.25)
        assert caught.value.fix.startswith(wanted)
        assert len(read(train, validation_fraction=0.25, fold_labels=True).labels) == 2
    with pytest.raises(glueft.DataError, match='"Good" in "label" has no name') as caught:
        read(single, label_names={"good": "fine", "bad": "poor"})
    assert caught.value.fix.startswith(wanted)
    other = jsonl(tmp_path / "other.jsonl", ["good", "bad", "bad", "Bad", "Bad"])
    with pytest.raises(glueft.DataError, match='a single row of the label "good"') as caught:
        read(other, validation_fraction=0.25)
    assert "fold_labels" not in caught.value.fix


def test_labels_that_become_one(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["good", "Good"])
    for given in ({"labels": ["good", "Good"]}, {"label_names": {"good": "a", "Good": "A"}}):
        with pytest.raises(glueft.DataError, match="fold_labels = true leaves a single label"):
            read(train, fold_labels=True, **given)


def test_white_space_in_given_labels_and_in_those_of_all_rows(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["good ", "bad"])
    wanted = 'labels with white space too many, or characters that are not seen: "good " (2 rows)'
    assert read(train).warnings == (wanted,) == read(train, labels=["bad", "good "]).warnings
    assert read(train, fold_labels=True, labels=["bad", "good "]).labels == ("bad", "good")
    assert '"so \\u200bso" (3 rows)' in label_warnings({"so \u200bso": 3})[0]


@pytest.mark.parametrize("label", ["nan", "None", "N/A", "unknown", "Unlabeled", "?", " null "])
def test_a_label_that_means_that_there_is_none(label: str, tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["good", "bad", label])
    assert f'"{label}" (2 rows) is a class here, and often means that a row has no label' in read(train).warnings[-1]
    assert not any("is a class" in text for text in read(train, labels=["bad", "good", label]).warnings)


def test_minus_one(tmp_path: Path) -> None:
    assert '"-1" (4 rows) is a class here' in read(jsonl(tmp_path / "a.jsonl", [0, 1, -1, -1])).warnings[0]
    assert read(jsonl(tmp_path / "b.jsonl", [1, -1, -1])).warnings == ()  # two classes, as some have it
    scores = read(jsonl(tmp_path / "c.jsonl", [0.5, 3, -1, -1]), regression=True)
    assert "-1 is the one score below 0, in 4 rows: it often means that a row has no score" in scores.warnings[0]
    assert read(jsonl(tmp_path / "d.jsonl", [0.5, 3, -1, -2]), regression=True).warnings == ()
    hidden = read(jsonl(tmp_path / "e.jsonl", [0, 1]), test=jsonl(tmp_path / "f.jsonl", [-1, -1]))
    assert hidden.splits["test"]["label"] == [-1, -1] and hidden.labels == ("0", "1")


# Names for codes.


def class_label(path: Path, codes: list[int | None], classes: list[str]) -> Path:
    import pyarrow
    import pyarrow.parquet

    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": classes, "_type": "ClassLabel"}}
    table = pyarrow.table({"text": [f"text {n}" for n in range(len(codes))], "label": pyarrow.array(codes)})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_the_names_of_a_class_label_are_the_files_own(tmp_path: Path) -> None:
    train = class_label(tmp_path / "train.parquet", [0, 1, 0], ["poor", "fine"])
    other = class_label(tmp_path / "dev.parquet", [0, 1], ["fine", "poor"])  # by name, not by code
    test = class_label(tmp_path / "test.parquet", [-1, None, 1], ["poor", "fine"])
    tables = read(train, other, test)
    assert tables.labels == ("poor", "fine") and names(tables) == ["poor", "fine", "poor"]
    assert names(tables, "validation") == ["fine", "poor"] and names(tables, "test") == [None, None, "fine"]
    assert read(train, labels=["fine", "poor"]).labels == ("fine", "poor")
    # Whoever speaks of the codes gets them.
    assert names(read(train, labels=["1", "0"])) == ["0", "1", "0"]
    assert names(read(train, label_names={"1": "top", "0": "flop"})) == ["flop", "top", "flop"]
    assert names(read(train, label_names={"poor": "flop", "fine": "top"})) == ["flop", "top", "flop"]
    assert read(train, fold_labels=True).labels == ("poor", "fine")
    with pytest.raises(glueft.DataError, match='row 2: the code 2 in "label" has no name'):
        read(class_label(tmp_path / "wrong.parquet", [0, 2], ["poor", "fine"]))
    with pytest.raises(glueft.DataError, match='row 2: no label in "label"'):
        read(class_label(tmp_path / "none.parquet", [0, -1], ["poor", "fine"]))
    assert read(class_label(tmp_path / "scores.parquet", [0, 5], ["a", "b"]), regression=True).labels == ()


def test_a_file_that_the_datasets_library_wrote(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["b", "a"])})
    rows = datasets.Dataset.from_dict({"text": ["x", "y", "z"], "label": [0, 1, 0]}, features=features)
    rows.to_parquet(tmp_path / "train.parquet")
    assert names(read(tmp_path / "train.parquet")) == ["b", "a", "b"]


OF_CLASSES = '{"info": {"features": {"label": {"_type": "ClassLabel", "names": %s}}}}'


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[]",
        '{"info": {"features": {"label": {"_type": "ClassLabel"}}}}',
        "[" * 10**5,
        *(
            OF_CLASSES % names
            for names in ('["a", "a"]', '["a", "b\\n", "c"]', '["a", "\\ud800"]', '["a", 1]', '["a"]')
        ),
    ],
)
def test_a_schema_that_cannot_be_read_names_nothing(metadata: str, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["x", "y"], "label": [0, 1]}).replace_schema_metadata({"huggingface": metadata})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    assert read(tmp_path / "train.parquet").labels == ("0", "1")


def test_names_for_codes(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", [1, 0.0, "1.0", "fine"])
    given = {"1": "fine", "0": "poor"}
    tables = read(train, test=jsonl(tmp_path / "test.jsonl", [-1, -1]), label_names=given)
    assert tables.labels == ("fine", "poor") and names(tables) == ["fine", "poor", "fine", "fine"]
    assert names(tables, "test") == [None, None] and tables.warnings == ()
    with pytest.raises(glueft.DataError, match='line 3: the label "2" in "label" has no name') as caught:
        read(jsonl(tmp_path / "two.jsonl", [0, 1, 2]), label_names=given)
    assert 'one of "1", "0", as label_names says' in caught.value.expected
    stars = {"1": "poor", "2": "poor", "3": "fine"}
    assert read(jsonl(tmp_path / "stars.jsonl", [1, 2, 3]), label_names=stars).labels == ("poor", "fine")
    assert names(read(jsonl(tmp_path / "case.jsonl", ["p ", "F"]), label_names={"P": "a", "f": "b"}, fold_labels=True))


def test_the_table_task_hands_on_what_is_said(tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", ["1", "1.0", "0", "0"] * 2)
    source = OwnFiles()
    options = {"train": str(train), "text": "text", "label": "label", "validation_fraction": 0.5}
    load_rows(Table(Table.Options(**options)), source)
    assert [text for text in source.warnings if '"1" (2 rows), "1.0" (2 rows)' in text]
    task = Table(Table.Options(**options, fold_labels=True, label_names={"0": "poor", "1": "fine"}))
    assert task.labels == ("poor", "fine") and task.metrics == ("accuracy", "f1")
    source = OwnFiles()
    assert load_rows(task, source)["train"].label_names == ("poor", "fine")
    assert not [text for text in source.warnings if "look alike" in text]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"label_names": {"0": "a"}}, "must be two names or more"),
        ({"label_names": {"0": "a", "1": " "}}, "must be two names or more"),
        ({"label_names": {"0": "a", "1": "b"}, "labels": ["a", "b"]}, "labels and label_names contradict each other"),
        ({"label_names": {"0": "a", "1": "b"}, "regression": True}, "a regression has no labels"),
        ({"fold_labels": True, "regression": True}, "a regression has no labels"),
    ],
)
def test_options_that_contradict_each_other(more: dict[str, Any], message: str) -> None:
    with pytest.raises((glueft.DataError, ValueError), match=message):
        Table.Options(train="a.csv", text="text", label="label", validation_fraction=0.5, **more)


def test_bytes_are_no_text(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"text": [b"x", b"y"], "label": [0, 1]}), tmp_path / "train.parquet")
    with pytest.raises(glueft.DataError, match='"text" is not text') as caught:
        read(tmp_path / "train.parquet")
    assert "(bytes)" in caught.value.received and '.str.decode("utf-8")' in caught.value.fix
