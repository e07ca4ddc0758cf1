"""What is written beside the input's columns, in every format; and files that appear whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from glueft.errors import OutputError
from glueft.runs.answers import Answers, result_names
from glueft.tables import parquet
from glueft.tables.output import OutputFile, make_writer, output_format

LABELS = ("=1+1", "<script>")
RESULTS = ("label", "probability_=1+1", "probability_<script>")
SAID = Answers(list(LABELS), np.array([[0.75, 0.25], [0.1234567, 0.8765433]]), 0)
TEXT = pyarrow.string()


def write(kind: str, rows: Sequence[dict[str, Any]], schema: Any, *, raw: bool = False, arrow: Any = None) -> bytes:
    file = io.BytesIO()
    writer = make_writer(kind, file, schema.names, RESULTS, lambda: schema, raw=raw)
    writer.write(arrow or list(rows), SAID.columns())
    writer.close()
    return file.getvalue()


def test_formulas_quotes_and_script_tags_are_written_as_they_are() -> None:
    rows = [{"text": '=cmd|"x"!A1'}, {"text": "<script>alert(1)</script>\r,\n"}]
    content = write("csv", rows, pyarrow.schema([("text", TEXT)]))
    read = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["text"] for row in read] == [row["text"] for row in rows]
    assert [row["label"] for row in read] == list(LABELS)
    assert read[1]["probability_<script>"] == "0.8765433"
    assert content.count(b"\r") == 1  # The text's own; lines end with LF.


def test_tsv_is_raw_where_the_input_is() -> None:
    rows = [{"text": '"No.'}, {"text": "b"}]
    schema = pyarrow.schema([("text", TEXT)])
    assert write("tsv", rows, schema, raw=True).splitlines()[1] == b'"No.\t=1+1\t0.75\t0.25'
    assert write("tsv", rows, schema).splitlines()[1] == b'"""No."\t=1+1\t0.75\t0.25'
    assert write("csv", rows, schema, raw=True).splitlines()[1] == b'"""No.",=1+1,0.75,0.25'


def test_cells_of_json_in_other_formats() -> None:
    rows = [
        {"text": "é", "n": 1, "more": {"a": [True]}, "none": None, "half": "\ud800", "big": 2**70, "nan": float("nan")},
        {"text": "b", "n": 2.5},
    ]
    plain = [json.loads(line) for line in write("jsonl", rows, pyarrow.schema([])).splitlines()]
    assert plain[0] == {
        "text": "é",
        "n": 1,
        "more": {"a": [True]},
        "none": None,
        "half": "\ud800",
        "big": 2**70,
        "nan": None,
        "label": "=1+1",
        "probability_=1+1": 0.75,
        "probability_<script>": 0.25,
    }
    kinds = [("text", TEXT), ("n", pyarrow.float64()), ("more", TEXT), ("none", TEXT), ("half", TEXT), ("big", TEXT)]
    schema = pyarrow.schema(kinds)
    read = list(csv.DictReader(io.StringIO(write("csv", rows, schema).decode())))
    assert [read[0][name] for name in schema.names] == ["é", "1", '{"a": [true]}', "", "\\ud800", str(2**70)]
    assert read[1]["more"] == ""
    table = pyarrow.parquet.read_table(io.BytesIO(write("parquet", rows, schema)))
    assert table.column("n").to_pylist() == [1.0, 2.5]
    assert table.column("more").to_pylist() == ['{"a": [true]}', None]
    assert table.column("half").to_pylist() == ["\\ud800", None]
    assert table.column("probability_<script>").to_pylist() == [0.25, 0.8765433]


def test_parquet_keeps_its_types() -> None:
    when = datetime(2026, 1, 31, 12)
    arrow = pyarrow.table(
        {
            "text": pyarrow.array(["a", "b"]).dictionary_encode(),
            "when": pyarrow.array([when, None], pyarrow.timestamp("ns")),
            "bytes": [b"\xff", b"x"],
            "list": [[1], []],
        }
    )
    table = pyarrow.parquet.read_table(io.BytesIO(write("parquet", [], arrow.schema, arrow=arrow)))
    assert table.select(arrow.schema.names).cast(arrow.schema).equals(arrow)
    assert table.column("label").to_pylist() == list(LABELS)
    lines = [json.loads(line) for line in write("jsonl", [], arrow.schema, arrow=arrow).splitlines()]
    assert lines[0]["when"] == when.isoformat() and lines[0]["bytes"] == "\\xff" and lines[1]["when"] is None
    assert write("csv", [], arrow.schema, arrow=arrow).splitlines()[1].startswith(b"a,2026-01-31T12:00:00,\\xff,[1],")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_sets_of_labels_are_lists(kind: str) -> None:
    said = Answers([["a", 'b"'], []], np.array([[0.75, 0.5], [0.25, 0.125]]), 0)
    file, schema = io.BytesIO(), pyarrow.schema([("text", TEXT)])
    names = ("label", "probability_a", 'probability_b"')
    writer = make_writer(kind, file, ["text"], names, lambda: schema, raw=kind == "tsv", label_sets=True)
    writer.write([{"text": "one"}, {"text": "two"}], said.columns())
    writer.close()
    content = file.getvalue()
    if kind == "parquet":
        column = pyarrow.parquet.read_table(io.BytesIO(content)).column("label")
        assert column.type == pyarrow.list_(TEXT) and column.to_pylist() == said.labels
    elif kind == "jsonl":
        assert [json.loads(line)["label"] for line in content.splitlines()] == said.labels
    else:
        quoting = csv.QUOTE_NONE if kind == "tsv" else csv.QUOTE_MINIMAL
        lines = csv.reader(io.StringIO(content.decode()), delimiter="\t" if kind == "tsv" else ",", quoting=quoting)
        assert [row[1] for row in lines][1:] == ['["a","b\\""]', "[]"]


def test_parquet_writes_few_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 3)
    file = io.BytesIO()
    schema = pyarrow.schema([("text", TEXT)])
    writer = make_writer("parquet", file, ["text"], RESULTS, lambda: schema, raw=False)
    for _ in range(3):
        writer.write([{"text": "a"}, {"text": "b"}], SAID.columns())
    writer.close()
    assert pyarrow.parquet.ParquetFile(file).metadata.num_row_groups == 2


def test_result_names_leave_the_inputs_columns_alone() -> None:
    assert result_names(["a", "b"]) == ("label", "probability_a", "probability_b")
    assert result_names(["a"], {"label"}) == ("predicted_label", "predicted_probability_a")
    assert result_names(["a"], {"label", "predicted_label"}) == ("predicted_2_label", "predicted_2_probability_a")
    assert result_names([], {"label"}) == ("score",) and result_names([], {"score"}) == ("predicted_score",)


def test_a_file_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_text("old")
    with OutputFile(path, "gzip") as file:
        file.content.write(b"new")
        assert path.read_text() == "old"
        file.finish()
    assert gzip.decompress(path.read_bytes()) == b"new" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(KeyboardInterrupt), OutputFile(tmp_path / "b.csv") as file:
        file.content.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its name does not say how to write it"):
        output_format(tmp_path / "a.xlsx")
    (tmp_path / "a").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"), OutputFile(tmp_path / "a" / "a.csv"):
        pass
