"""How much a row may hold, whoever reads it; and work that grows with the rows, not with their square."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from glueft.data.rows import load_rows
from glueft.data.sources import FolderSource
from glueft.errors import DataError
from glueft.inference.stream import check_rows
from glueft.inference.table_rows import open_table
from glueft.inference.text_columns import TextChoice
from glueft.plugin.registry import load_registry
from glueft.plugin.task import TableLayout
from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.columns import read_columns
from glueft.tables.problems import Problem, Problems
from glueft_tasks.table import Table


def predict(path: Path) -> None:
    check_rows(open_table(path, TextChoice(("text",), TableLayout({"text": ("text",)}))), skip_bad=False)


def train(path: Path) -> None:
    options = Table.Options(train=str(path), text="text", label="label", validation_fraction=0.5)
    load_rows(Table(options), FolderSource("."))


def benchmark(path: Path) -> None:
    task = load_registry().find("task", "sst2").cls()
    (path.parent / "dev.tsv").write_text("sentence\tlabel\nfine\t1\n")
    load_rows(task, FolderSource(path.parent))


READERS: dict[str, tuple[Any, str, str]] = {
    "training, csv": (train, "rows.csv", "text,label\n"),
    "training, json": (train, "rows.jsonl", '{"text": "a", "label": 1}\n'),
    "prediction, csv": (predict, "rows.csv", "text,label\n"),
    "prediction, json": (predict, "rows.jsonl", '{"text": "a", "label": 1}\n'),
    "benchmark": (benchmark, "train.tsv", "sentence\tlabel\n"),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_line_without_end_is_not_read_into_memory(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST_LINE", 1000)
    read, name, head = READERS[reader]
    (tmp_path / name).write_text(head + "word " * 1000)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert caught.value.message == f"{tmp_path / name}, line 2: it does not end"
    assert caught.value.expected == "lines of at most 1,000 bytes"


@pytest.mark.parametrize("reader", READERS)
def test_a_text_without_end(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_TEXT", 1000)
    read, name, head = READERS[reader]
    text = "word " * 250
    row = f'{{"text": "{text}", "label": "1"}}' if "json" in reader else f"{text}{',' if 'csv' in reader else chr(9)}1"
    (tmp_path / name).write_text(f"{head}{row}\n")
    with pytest.raises(DataError, match=r"line 2: .* is too long") as caught:
        read(tmp_path / name)
    assert caught.value.expected == "a text of at most 1,000 characters"


@pytest.mark.parametrize("read", [lambda path: read_columns(path, ["text"]), predict], ids=["training", "prediction"])
def test_a_quote_that_never_closes_is_not_read_into_memory(
    read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST_FIELD", 1000)
    (tmp_path / "rows.csv").write_text('text\nfine\n"abc\n' + "some more\n" * 500)
    with pytest.raises(DataError, match="line 3: a field of more than 1,000 characters begins here"):
        read(tmp_path / "rows.csv")


def test_rows_of_any_task_have_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(limits, "LONGEST_TEXT", 1000)
    task = load_registry().find("task", "sst2").cls()
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=task.labels)}
    )
    rows = datasets.Dataset.from_dict({"sentence": ["fine", "x" * 1001], "label": [0, 1]}, features=features)
    monkeypatch.setattr(task, "load", lambda source: datasets.DatasetDict(train=rows, validation=rows))
    with pytest.raises(DataError, match=r'"sentence" of the train split .* has a text without end') as caught:
        load_rows(task, FolderSource("."))
    assert caught.value.received == "1,001 in row 1 (counted from 0)"


@pytest.mark.parametrize("read", [lambda path: read_columns(path, ["text"]), predict], ids=["training", "prediction"])
def test_many_keys_and_many_columns_take_seconds(read: Any, tmp_path: Path) -> None:
    begin = time.process_time()
    many = range(50_000)
    keys = ",".join(f'"k{number}":1,"k{number}":2' for number in many)
    (tmp_path / "keys.jsonl").write_text(f'{{"text":"a","text":"b",{keys}}}\n')
    with pytest.raises(DataError, match='line 1: the key "text" is given twice'):
        read(tmp_path / "keys.jsonl")
    names = ",".join(f"column {number}" for number in many)
    for first in ("txt", "text"):
        (tmp_path / "wide.csv").write_text(f"{first},{names}\n{'a,' * len(many)}b\n")
        if first == "text":
            read(tmp_path / "wide.csv")
            continue
        with pytest.raises(DataError, match='has no column "text"'):
            read(tmp_path / "wide.csv")
    assert time.process_time() - begin < 10  # Each of them took minutes.


def test_the_nearest_of_many_names_and_of_endless_ones() -> None:
    begin = time.process_time()
    assert nearest("text", ["txt", *map(str, range(10**6))]) == "txt"
    assert nearest("text", ["x" * 10**7, "txt"]) == "txt"
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_line_that_is_wrong_twice_leaves_the_next_one_alone(name: str, tmp_path: Path) -> None:
    rows = [b"text", b"a\0\xff", b"fine"] if name == "rows.csv" else [b'{"text": "a"}', b"\0\xff", b'{"text": "b"}']
    (tmp_path / name).write_bytes(b"\n".join(rows) + b"\n")
    for read in (predict, lambda path: read_columns(path, ["text"])):
        with pytest.raises(DataError) as caught:
            read(tmp_path / name)
        assert caught.value.message == f"{tmp_path / name}, line 2: a NUL byte"


def test_of_many_problems_a_few_are_kept() -> None:
    problems = Problems()
    assert not problems
    for line in range(1, 1001):
        problems.add(Problem(line, "wrong", "right", "this", "fix it"))
    assert (problems.count, len(problems.first), problems.last.line) == (1000, 5, 1000)
