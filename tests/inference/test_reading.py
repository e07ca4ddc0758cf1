"""What a table of new rows may look like, and what is said of one that cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from glueft.errors import DataError
from glueft.inference import rows
from glueft.inference.line_rows import TextStream
from glueft.inference.rows import Chunk, RowSource
from glueft.inference.stream import check_rows
from glueft.inference.table_rows import open_table
from glueft.inference.text_columns import TextChoice
from glueft.plugin.registry import load_registry
from glueft.plugin.task import TableLayout

PAIR = ("sentence1", "sentence2")


def task_choice(name: str, **options: Any) -> TextChoice:
    task = load_registry().find("task", name).cls()
    return TextChoice(tuple(task.inputs), task.table_layout(), task, **options)


def one_text(**options: Any) -> TextChoice:
    return TextChoice(("text",), TableLayout({"text": ("text",)}), **options)


def whole(source: RowSource) -> Chunk:
    (chunk,) = source.chunks()
    return chunk


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def refused(path: Path, choice: TextChoice | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        check_rows(open_table(path, choice or one_text()), skip_bad=False)
    return caught.value


def test_csv_keeps_texts_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", '\ufeffid,text\r\n1,"a, ""b""\r\nsecond line"\r\n\r\n2,=1+1\r\n3,NA\r\n')
    source = open_table(path, one_text())
    chunk = whole(source)
    assert source.names == ("id", "text")
    assert chunk.texts == (['a, "b"\r\nsecond line', "=1+1", "NA"],)
    assert [row.number for row in source.rows()] == [2, 5, 6] and chunk.rows[1] == {"id": "2", "text": "=1+1"}


def test_compressed_and_other_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text;n\nabc;1\n"))
    assert whole(open_table(path, one_text(delimiter=";"))).texts == (["abc"],)
    error = refused(path)
    assert error.message == f'{path} has no column "text"'
    assert error.fix == 'the columns seem to have another separator: add --delimiter ";"'


def test_glue_files_have_no_quotes_and_sometimes_no_header(tmp_path: Path) -> None:
    mrpc = written(tmp_path / "x.tsv", '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t5\t6\tHe said.\t"No.\n')
    source = open_table(mrpc, task_choice("mrpc"))
    assert source.raw and whole(source).texts == (["He said."], ['"No.'])
    cola = written(tmp_path / "dev.tsv", 'gj04\t1\t\tThe "sailors.\ngj04\t0\t*\tHe rode.\n')
    source = open_table(cola, task_choice("cola"))
    assert source.names == ("column_1", "label", "column_3", "sentence")
    assert whole(source).texts == (['The "sailors.', "He rode."],) and [row.number for row in source.rows()] == [1, 2]
    test = written(tmp_path / "test.tsv", "index\tsentence\n0\tHe rode.\n")
    assert whole(open_table(test, task_choice("cola"))).texts == (["He rode."],)
    # A header line is one, whatever the file is called; and quotes can be had.
    own = written(tmp_path / "dev.tsv", 'sentence\n"He ""rode""."\n')
    assert whole(open_table(own, task_choice("cola"))).texts == (['"He ""rode""."'],)
    assert whole(open_table(own, task_choice("cola", quotes=True))).texts == (['He "rode".'],)


def test_rows_swallowed_by_a_quote(tmp_path: Path) -> None:
    content = 'text\tn\n"Come in, she said.\t1\nthe soup was cold\t2\nand home happy"\t3\na bike\t4\n'
    path = written(tmp_path / "a.tsv", content)
    error = refused(path)
    assert error.message.startswith(f"{path}, line 2: a quote opens here and closes in line 4, and the lines")
    assert "where quotes are mere text, add --no-quotes; if this is one text" in error.fix
    with pytest.raises(DataError) as caught:  # More than one row would be left out.
        check_rows(open_table(path, one_text()), skip_bad=True)
    assert caught.value.fix == error.fix and "--skip-bad" not in error.fix
    assert whole(open_table(path, one_text(quotes=False))).texts[0][0] == '"Come in, she said.'
    assert len(whole(open_table(path, one_text(quotes=True)))) == 2
    # What the recipe says of its own files says nothing of these.
    layout = TableLayout({"text": ("text",)}, quotes=True)
    assert "add --no-quotes" in refused(path, TextChoice(("text",), layout)).fix
    assert len(whole(open_table(path, TextChoice(("text",), TableLayout({"text": ("text",)}, quotes=False))))) == 4


def test_in_one_column_quotes_over_lines_are_pointed_out(tmp_path: Path) -> None:
    source = open_table(written(tmp_path / "a.csv", 'text\n"Come in.\nGo."\nfine\n"a\nb"\n'), one_text())
    assert check_rows(source, skip_bad=False) == 3
    assert source.warnings == (
        "quotes make one text of several lines in 2 rows, first in line 2; where quotes are mere text, add --no-quotes",
    )


def test_columns_by_option_and_by_the_tasks_names(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "sentence1,sentence2,body\na,b,c\n")
    assert whole(open_table(path, task_choice("mrpc"))).texts == (["a"], ["b"])
    assert whole(open_table(path, task_choice("mrpc", text="body"))).texts == (["c"], ["b"])
    error = refused(path, task_choice("mrpc", text_pair="bodi"))
    assert 'no column "bodi"' in error.message
    assert error.fix == 'did you mean "body"?  Name the column with --text-pair "body"'
    error = refused(path, task_choice("mrpc", text="sentence2"))
    assert error.message == 'both texts of a row would come from the column "sentence2"'
    assert (
        refused(path).fix
        == "name the column with --text NAME; the first line of a CSV or TSV file must name its columns"
    )


def test_a_task_on_tables_says_what_its_columns_are_called() -> None:
    table = load_registry().find("task", "table").cls
    options = table.Options(
        train="t.csv", validation="v.csv", text="body", text_pair="title", label="x", delimiter=";", quotes=False
    )
    layout = table(options).table_layout()
    assert layout == TableLayout({"text": ("body", "text"), "text_pair": ("title", "text_pair")}, ";", False)


def test_json_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.jsonl", '{"text": "a", "n": 1}\n\n{"text": "b\\n", "more": [1]}\n{"n": 2.5, "text": "c"}\n'
    )
    source = open_table(path, one_text())
    chunk = whole(source)
    assert chunk.texts == (["a", "b\n", "c"],) and [row.number for row in source.rows()] == [1, 3, 4]
    assert source.names == ("text", "n", "more")
    assert [str(kind) for kind in source.schema().types] == ["string", "double", "string"]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2, 3], "text": ["a", None, "c"]}), path)
    chunk = whole(open_table(path, one_text()))
    assert chunk.texts == (["a", "c"],) and chunk.bad[0].problem.line == 2
    assert chunk.rows.to_pylist() == [{"n": 1, "text": "a"}, {"n": 3, "text": "c"}]
    assert chunk.bad[0].content == {"n": 2, "text": None}
    assert refused(path).message == f'{path}, row 2: no text in "text"'


def test_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "lines", b"a\tb\r\nc\nd\te\n\xff\tx\n")
    with path.open("rb") as content:
        chunk = whole(TextStream(content, TextChoice(PAIR, TableLayout({}))))
    assert chunk.texts == (["a", "d"], ["b", "e"])
    assert [(bad.problem.line, bad.problem.message) for bad in chunk.bad] == [(2, "no tab"), (4, "not UTF-8 text")]
    with path.open("rb") as content:
        assert whole(TextStream(content, one_text())).texts == (["a\tb", "c", "d\te"],)


def test_chunks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK_ROWS", 4)
    monkeypatch.setattr(rows, "CHUNK_CHARACTERS", 100)
    path = written(tmp_path / "a.csv", "text\n" + "a\n" * 9 + "b" * 120 + "\nc\n" + '""\n' * 9)
    parts = list(open_table(path, one_text()).chunks())
    assert [len(part) for part in parts] == [4, 4, 2, 1, 0, 0][: len(parts)]
    assert sum(len(part.bad) for part in parts) == 9 and max(len(part.bad) for part in parts) <= 4

    monkeypatch.setattr(rows, "CHUNK_CHARACTERS", 1000)
    header, row = ",".join(["text", *(f"c{n}" for n in range(100))]), "a" + "," * 100
    wide = written(tmp_path / "wide.csv", "\n".join([header, *[row] * 6]) + "\n")  # Empty cells take memory too.
    assert [len(part) for part in open_table(wide, one_text()).chunks()] == [2, 2, 2]


BAD_FILES: dict[str, tuple[str, str | bytes, str]] = {
    "nul": ("a.csv", b"text\nab\0c\n", "{path}, line 2: a NUL byte"),
    "nul_header": ("a.csv", b"te\0xt\nabc\n", "{path}, line 1: a NUL byte"),
    "mixed": ("a.csv", "text\nné\n".encode() + "né\n".encode("latin-1"), "{path}, line 3: not UTF-8 text"),
    "utf16": ("a.csv", "text\nabc\n".encode("utf-16"), "{path} is UTF-16, not UTF-8"),
    "ten_megabytes": ("a.csv", "text\nfine\n" + "a" * 10_000_000 + "\n", '{path}, line 3: "text" is too long'),
    "open_quote": ("a.csv", 'text\n"abc\n' + "x\n" * 50, "{path}, line 2: a double quote opens a field here and none"),
    "behind_quote": ("a.csv", 'text\n"abc"d\n', "{path}, line 2: text behind the double quote that closes a field"),
    "lone_return": ("a.csv", b"text\nab\rc\n", "{path}, line 2: a carriage return that ends no line"),
    "ragged": ("a.csv", "text,n\na,1\nb\nc,1,2\n", "{path}, line 3: 1 field instead of 2; 2 rows that cannot be"),
    "twice": ("a.csv", "text,n,n\na,1,2\n", '{path} has 2 columns called "n"'),
    "empty": ("a.csv", "", "{path} has no rows"),
    "header_alone": ("a.csv", "text\n", "{path} has no rows"),
    "spaces": ("a.csv", 'text\n"  "\n', '{path}, line 2: no text in "text"'),
    "no_object": ("a.jsonl", '{"text": "a"}\n[1]\n', "{path}, line 2: not a JSON object"),
    "cut_object": ("a.jsonl", '{"text": "a"}\n{"text": "b', "{path}, line 2: not a JSON object: Unterminated string"),
    "deep": ("a.jsonl", '{"text": "a"}\n' + "[" * 100_000 + "\n", "{path}, line 2: not a JSON object"),
    "key_twice": ("a.jsonl", '{"text": "a", "text": "b"}\n', '{path}, line 1: the key "text" is given twice'),
    "no_key": ("a.jsonl", '{"text": "a"}\n{}\n', '{path}, line 2: no key "text"'),
    "number": ("a.jsonl", '{"text": 5}\n', '{path}, line 1: "text" is not text'),
    "half": ("a.jsonl", '{"text": "\\ud800"}\n', '{path}, line 1: "text" holds half a character'),
    "empty_jsonl": ("a.jsonl", "\n", "{path} has no rows"),
    "no_parquet": ("a.parquet", b"PAR1 not at all PAR1", "{path} cannot be read as Parquet"),
    "empty_parquet": ("a.parquet", b"", "{path} cannot be read as Parquet"),
    "no_gzip": ("a.csv.gz", b"text\nabc\n", "{path} cannot be decompressed"),
    "suffix": ("a.txt", "text\nabc\n", "{path}: its name does not say how to read it"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(case: str, tmp_path: Path) -> None:
    name, content, message = BAD_FILES[case]
    path = written(tmp_path / name, content)
    error = refused(path)
    assert error.message.startswith(message.format(path=path))
    assert "\n" not in error.message and error.expected and error.received and error.fix
    assert len(str(error)) < 1500  # A cell of 10 MB is not shown.


def test_truncated_and_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text number {number}" for number in range(5000)]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), path, compression="zstd")
    content = path.read_bytes()
    written(path, content[: len(content) // 2])
    assert refused(path).message == f"{path} cannot be read as Parquet"
    written(path, content[:200] + bytes(200) + content[400:])
    assert refused(path).message == f"{path} cannot be read as Parquet"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    assert 'did you mean "rows.csv"?' in refused(tmp_path / "row.csv").fix
    assert refused(tmp_path / "none" / "row.csv").fix == f"there is no folder {tmp_path / 'none'}"
    assert refused(tmp_path / "folder.csv").received == "a folder"
    assert "no regular file" in _fifo_error(tmp_path).received


def _fifo_error(folder: Path) -> DataError:
    import os

    os.mkfifo(folder / "pipe.csv")
    return refused(folder / "pipe.csv")


def test_many_bad_rows_are_counted_and_few_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "".join(json.dumps({"text": "" if n % 2 else "x"}) + "\n" for n in range(40)))
    error = refused(path)
    assert error.message.endswith("20 rows that cannot be predicted in all")
    assert error.received.count("\n    line ") == 5
    assert error.received.endswith("... and 15 more, the last in line 40") and "--skip-bad" in error.fix
    assert check_rows(open_table(path, one_text()), skip_bad=True) == 20


def test_no_row_is_good(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "text\n \n \n")
    with pytest.raises(DataError) as caught:
        check_rows(open_table(path, one_text()), skip_bad=True)
    assert "--skip-bad" not in caught.value.fix


def test_a_task_may_have_an_empty_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "question1,question2\na,\n,\n")
    chunk = whole(open_table(path, task_choice("qqp")))
    assert chunk.texts == (["a"], [""]) and [bad.problem.line for bad in chunk.bad] == [3]
