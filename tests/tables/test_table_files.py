"""Files of rows: each format gives the same columns, nothing is turned into a number or null, and errors name lines."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from glueft.errors import DataError
from glueft.tables.columns import Columns, read_columns
from glueft.tables.parquet import open_parquet
from glueft.tables.suffixes import TableFormat, table_format

ROWS = [
    ("A plain text.", "NA"),
    ('He said, "no".', "null"),
    ("Two\nlines, and a\ttab", "1"),
    ("=1+1", "<script>alert(1)</script>"),
    ("naïve Ω 😀\u2028still the same line", "007"),
    ("NaN", "1.0"),
]


def write_csv(path: Path, delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "text", "label"])
        writer.writerows((number, *row) for number, row in enumerate(ROWS))


def write_json_lines(path: Path) -> None:
    rows = [{"id": number, "text": text, "label": label} for number, (text, label) in enumerate(ROWS)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_parquet(path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    texts, labels = zip(*ROWS, strict=True)
    columns = {"id": list(range(len(ROWS))), "text": list(texts), "label": list(labels)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


FORMATS: dict[str, Callable[[Path], None]] = {
    "rows.csv": write_csv,
    "rows.tsv": lambda path: write_csv(path, "\t"),
    "rows.jsonl": write_json_lines,
    "rows.ndjson": write_json_lines,
    "rows.parquet": write_parquet,
    "ROWS.CSV": write_csv,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_text(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / name)
    columns = read_columns(tmp_path / name, ["text", "label"])
    assert list(columns.cells) == ["text", "label"]
    assert list(zip(*columns.cells.values(), strict=True)) == ROWS


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl"])
def test_compressed_files(name: str, opener: Callable[..., object], tmp_path: Path) -> None:
    FORMATS[name](tmp_path / name)
    suffix = {gzip.open: ".gz", bz2.open: ".bz2", lzma.open: ".xz"}[opener]
    packed = tmp_path / (name + suffix)
    with opener(packed, "wb") as file:  # type: ignore[attr-defined]
        file.write((tmp_path / name).read_bytes())
    assert list(zip(*read_columns(packed, ["text", "label"]).cells.values(), strict=True)) == ROWS
    packed.write_bytes(packed.read_bytes()[:-9])
    assert "cannot be decompressed" in error_of(packed)
    packed.write_bytes(b"text,label\nnot,packed\n")
    assert "cannot be decompressed" in error_of(packed)


def test_the_lines_of_rows_are_those_on_which_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\xef\xbb\xbftext,label\r\n"one\r\nand a half",a\r\n\r\ntwo,b\r\n"",c\r\n\r\n')
    columns = read_columns(path, ["text"])
    assert columns == Columns(path, "line", [2, 5, 6], {"text": ["one\r\nand a half", "two", ""]})
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"text": "one"}\n\n  \n{"text": "two"}\n', encoding="utf-8")
    assert read_columns(path, ["text"]).numbers == [1, 4]


def test_columns_that_may_be_absent(tmp_path: Path) -> None:
    for name, write in FORMATS.items():
        write(tmp_path / name)
        assert list(read_columns(tmp_path / name, ["text"], optional=["label", "score"]).cells) == ["text", "label"]


def test_separators_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text;label\none, two;a\n")
    assert read_columns(path, ["text"], delimiter=";").cells == {"text": ["one, two"]}
    assert 'add delimiter = ";" to [task]' in error_of(path)
    raw = tmp_path / "rows.tsv"
    raw.write_text('text\tlabel\n"Stop" he said\ta\n"never\tb\n')
    assert read_columns(raw, ["text"], quotes=False).cells == {"text": ['"Stop" he said', '"never']}
    assert "add quotes = false to [task]" in error_of(raw)


def test_a_cell_of_ten_megabytes_and_the_limit_of_others(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "word " * 2_000_000 + ",a\n")
    before = csv.field_size_limit()
    assert len(read_columns(path, ["text"]).cells["text"][0]) == 10_000_000
    assert csv.field_size_limit() == before


def error_of(path: Path, wanted: tuple[str, ...] = ("text", "label")) -> str:
    with pytest.raises(DataError) as caught:
        read_columns(path, wanted)
    assert all([caught.value.expected, caught.value.received, caught.value.fix])
    assert str(path) in caught.value.message
    return str(caught.value)


WRONG_FILES = {
    "wide": ("rows.csv", b"text,label\na,b\nMilk, eggs and tea,c\n", "line 3: 3 fields instead of 2", "double quotes"),
    "narrow": ("rows.tsv", b"text\tlabel\nalone\n", "line 2: 1 field instead of 2", "restore the field"),
    "wide tsv": ("rows.tsv", b"text\tlabel\na\tb\tc\n", "line 2: 3 fields instead of 2", "holds a tab"),
    "unclosed": ("rows.csv", b'text,label\na,b\n"c,d\ne,f\n', "line 3: a double quote opens a field", "end of"),
    "behind": ("rows.csv", b'text,label\n"a" b,c\n', "line 2: text behind the double quote", "quotes = false"),
    "return": ("rows.csv", b"text,label\na\rb,c\n", "line 2: a carriage return that ends no line", "LF or CRLF"),
    "latin": ("rows.csv", b"text,label\ncaf\xe9,a\n", "line 2: not UTF-8 text", "byte 0xe9 as byte 4"),
    "mixed": ("rows.csv", b"text,label\ncaf\xc3\xa9,a\ncaf\xe9,a\n\xff,b\n", "line 3", "2 problems in all"),
    "latin header": ("rows.csv", b"text,label,caf\xe9\na,b,c\n", "line 1: not UTF-8 text", "iconv"),
    "nul": ("rows.csv", b"text,label\na\0b,c\n", "line 2: a NUL byte", "byte 0x00 as byte 2"),
    "nul json": ("rows.jsonl", b'{"text": "a\0", "label": "b"}\n', "line 1", "a NUL byte"),
    "utf-16": ("rows.csv", "text,label\na,b\n".encode("utf-16"), "is UTF-16, not UTF-8", "iconv -f UTF-16"),
    "empty": ("rows.csv", b"", "has no rows", "received: nothing"),
    "mark alone": ("rows.csv", b"\xef\xbb\xbf", "has no rows", "received: nothing"),
    "header alone": ("rows.csv", b"text,label\n\n", "has no rows", "the names of its columns alone"),
    "empty json": ("rows.jsonl", b"\n", "has no rows", "received: nothing"),
    "column": ("rows.csv", b"texts,label\na,b\n", 'has no column "text"', 'the columns "texts", "label"'),
    "near": ("rows.csv", b"texts,label\na,b\n", 'has no column "text"', 'did you mean "texts"?'),
    "far": ("rows.csv", b"a fine film,1\na dull film,0\n", 'has no column "text"', "first line of a CSV or TSV"),
    "spaces": ("rows.csv", b"text, label\na,b\n", 'has no column "label"', 'did you mean " label"?'),
    "twice": ("rows.csv", b"text,label,text\na,b,c\n", 'has 2 columns called "text"', "rename or remove"),
    "json column": ("rows.jsonl", b'{"txt": "a", "label": 1}\n', 'has no column "text"', 'did you mean "txt"?'),
    "json gap": ("rows.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"}\n', 'line 2: no key "label"', 'keys "text"'),
    "json void": ("rows.jsonl", b'{"text": "a", "label": 1}\n{}\n', 'line 2: no key "text"', "an empty object"),
    "json twice": ("rows.jsonl", b'{"text": "a", "text": "b", "label": 1}\n', '"text" is given twice', "remove"),
    "json array": ("rows.jsonl", b'[\n{"text": "a", "label": 1}\n]\n', "line 1: not a JSON object", "jq -c"),
    "json number": ("rows.jsonl", b"12\n", "line 1: not a JSON object", "received: \"12\""),
    "json cut": ("rows.jsonl", b'{"text": "a"\n', "not a JSON object: Expecting", "at character"),
    "json deep": ("rows.jsonl", b"[" * 100_000 + b"\n", "line 1: not a JSON object", "nested too deep"),
    "json huge": ("rows.jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n", "line 1", "limit"),
    "parquet": ("rows.parquet", b"text,label\na,b\n", "cannot be read as Parquet", "write the file again"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file_is_named_with_its_line_and_its_columns(case: str, tmp_path: Path) -> None:
    name, content, *parts = WRONG_FILES[case]
    (tmp_path / name).write_bytes(content)
    error = error_of(tmp_path / name)
    for part in parts:
        assert part in error


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "a\n" * 1000)
    error = error_of(path)
    assert "line 2: 1 field instead of 2; 1,000 problems in all" in error
    assert "995 more, the last in line 1001" in error


def test_parquet_for_which_there_is_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet

    def full(*arguments: object, **options: object) -> None:
        raise pyarrow.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", full)
    (tmp_path / "rows.parquet").write_bytes(b"")
    with pytest.raises(MemoryError), open_parquet(tmp_path / "rows.parquet"):
        pass


def test_parquet_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet")
    assert 'has no column "txt"' in (error := error_of(tmp_path / "rows.parquet", ("txt", "label")))
    assert 'the columns "id", "text", "label"' in error
    import pyarrow
    import pyarrow.parquet

    twice = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    pyarrow.parquet.write_table(twice, tmp_path / "twice.parquet")
    assert '2 columns called "text"' in error_of(tmp_path / "twice.parquet", ("text",))
    none = pyarrow.table({"text": pyarrow.array([], pyarrow.string())})
    pyarrow.parquet.write_table(none, tmp_path / "none.parquet")
    assert "has no rows" in error_of(tmp_path / "none.parquet", ("text",))
    categories = pyarrow.table({"text": pyarrow.array(["a", "b", "a"]).dictionary_encode()})
    pyarrow.parquet.write_table(categories, tmp_path / "categories.parquet")
    assert read_columns(tmp_path / "categories.parquet", ["text"]).cells == {"text": ["a", "b", "a"]}


def test_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    assert "data is empty" in error_of(tmp_path / "data" / "train.csv")
    assert "there is no folder" in error_of(tmp_path / "no" / "train.csv")
    (tmp_path / "data" / "trian.csv").write_text("text,label\n")
    assert 'did you mean "trian.csv"?' in error_of(tmp_path / "data" / "train.csv")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "rows.csv").write_text("text,label\n")
    monkeypatch.chdir(tmp_path / "here")
    error = error_of(tmp_path / "data" / "rows.csv")
    assert f"did you mean {tmp_path / 'here' / 'rows.csv'}?" in error
    assert "begins at the recipe's folder" in error
    (tmp_path / "folder.csv").mkdir()
    assert "a folder in place of a file" in error_of(tmp_path / "folder.csv")
    (tmp_path / "folder.parquet").mkdir()
    assert "a folder in place of a file" in error_of(tmp_path / "folder.parquet")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", TableFormat("csv")),
        ("a.b.TSV", TableFormat("tsv")),
        ("a.jsonl.gz", TableFormat("jsonl", "gzip")),
        ("a.ndjson.bz2", TableFormat("jsonl", "bz2")),
        ("a.csv.xz", TableFormat("csv", "lzma")),
        ("folder.csv/a.parquet", TableFormat("parquet")),
    ],
)
def test_suffixes(name: str, expected: TableFormat) -> None:
    assert table_format(name) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rows.cvs", 'did you mean ".csv"?'),
        ("rows.json", "write JSON Lines"),
        ("rows.xlsx", "save the sheet as CSV UTF-8"),
        ("rows", "this has no suffix"),
        ("rows.gz", "this ends in .gz"),
        ("rows.zip", "unpack it"),
        ("rows.parquet.gz", "Parquet compresses by itself"),
        ("rows.doc.gz", "this ends in .doc"),
    ],
)
def test_unknown_suffixes(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"must end in \.csv, \.tsv") as caught:
        table_format(name)
    assert words in str(caught.value)
