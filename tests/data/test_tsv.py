"""The raw reader of the benchmark's files: what it takes, and each of its complaints."""

from __future__ import annotations

from pathlib import Path

import pytest

import glueft
from glueft.data.tsv import Table, read_tsv
from glueft.errors import DataError, PluginError

COLUMNS = {"sentence1": "first", "sentence2": "second", "label": "gold"}
HEADER = "gold\tid\tfirst\tsecond\n"


class Pairs(glueft.Task):
    """Pairs with a header."""

    name = "pairs"
    inputs = ("sentence1", "sentence2")
    labels = ("different", "same")
    tsv = glueft.TSVLayout("Pairs", COLUMNS)


class Marked(Pairs):
    """Labels written as words."""

    tsv = glueft.TSVLayout("Pairs", COLUMNS, label_text=("no", "yes"))


class Headerless(glueft.Task):
    """Columns by position."""

    name = "headerless"
    inputs = ("sentence",)
    labels = ("bad", "good")
    tsv = glueft.TSVLayout("Headerless", {"sentence": 3, "label": 1}, header=False)


class Scores(glueft.Task):
    """A regression."""

    name = "scores"
    inputs = ("sentence1", "sentence2")
    tsv = glueft.TSVLayout("Scores", COLUMNS)


def read(folder: Path, text: str | bytes, task: type[glueft.Task] = Pairs, *, labelled: bool = True) -> Table:
    path = folder / "train.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_tsv(path, task(), labelled=labelled)


def refused(folder: Path, text: str | bytes, task: type[glueft.Task] = Pairs, *, labelled: bool = True) -> DataError:
    with pytest.raises(DataError) as raised:
        read(folder, text, task, labelled=labelled)
    assert str(folder / "train.tsv") in raised.value.message
    assert all((raised.value.expected, raised.value.received, raised.value.fix))
    return raised.value


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    table = read(tmp_path, HEADER + "1\t7\tA dog.\tOne dog.\n0\t8\tRain.\tSun.\n")
    assert table == Table((["A dog.", "Rain."], ["One dog.", "Sun."]), [1, 0])


def test_columns_are_found_by_position(tmp_path: Path) -> None:
    assert read(tmp_path, "src\t1\t\tFine.\nsrc\t0\t*\tNot fine.\n", Headerless) == Table(
        (["Fine.", "Not fine."],), [1, 0]
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"', id="a lone quote"),
        pytest.param('"quoted" and "open', id="quotes"),
        pytest.param("it's \\t raw \\n", id="backslashes"),
        pytest.param("a\u2028b\x0bc\x0cd\x85e\x1cf\u2029g", id="line ends of other standards"),
        pytest.param(" spaces kept ", id="spaces"),
        pytest.param("Zażółć 日本語 🙂 ﬁ", id="beyond ASCII"),
        pytest.param("a\ufeffb", id="a byte order mark within"),
    ],
)
def test_text_is_taken_as_it_is(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"{HEADER}1\t7\t{text}\tx\n0\t8\ty\t{text}\n").texts == ([text, "y"], ["x", text])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_marks_and_line_ends_make_no_difference(tmp_path: Path, mark: bytes, end: str, last: bool) -> None:
    text = end.join(["gold\tid\tfirst\tsecond", "1\t7\tä\tb", "0\t8\tc\td"]) + (end if last else "")
    assert read(tmp_path, mark + text.encode()) == Table((["ä", "c"], ["b", "d"]), [1, 0])


def test_a_test_file_needs_no_labels(tmp_path: Path) -> None:
    assert read(tmp_path, "index\tfirst\tsecond\n0\ta\tb\n", labelled=False).labels == [-1]
    assert read(tmp_path, HEADER + "1\t7\ta\tb\n", labelled=False).labels == [1]


def test_labels_may_be_written_as_words(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + "yes\t7\ta\tb\nno\t7\ta\tb\n", Marked).labels == [1, 0]
    error = refused(tmp_path, HEADER + "1\t7\ta\tb\n", Marked)
    assert error.message.endswith('line 2: the label "1" is not one of this task\'s')
    assert error.expected == 'one of "no" (different), "yes" (same)'
    assert error.received == '"1" in field 1'


def test_scores_are_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + "3.8\t7\ta\tb\n-1e-2\t7\ta\tb\n5\t7\ta\tb\n", Scores).labels == [3.8, -0.01, 5.0]


@pytest.mark.parametrize("score", ["", "nan", "inf", "-Infinity", "1_0", " 1", "1 ", "three", "1,5"])
def test_what_is_no_score(tmp_path: Path, score: str) -> None:
    error = refused(tmp_path, f"{HEADER}{score}\t7\ta\tb\n", Scores)
    assert "line 2" in error.message
    assert error.expected == "a finite number, such as 3.8"


@pytest.mark.parametrize("label", ["", "2", "-1", "01", " 1", "same", "1.0"])
def test_what_is_no_label(tmp_path: Path, label: str) -> None:
    error = refused(tmp_path, f"{HEADER}{label}\t7\ta\tb\n")
    assert f'line 2: the label "{label}" is not one' in error.message
    assert error.expected == 'one of "0" (different), "1" (same)'


def test_too_few_and_too_many_fields(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + "1\t7\ta\tb\n1\t7\ta b\n")
    assert error.message.endswith("line 3: 3 fields instead of 4")
    assert error.received == r'3 fields: "1\t7\ta b"'
    error = refused(tmp_path, HEADER + "1\t7\ta\tb\tc\n")
    assert error.message.endswith("line 2: 5 fields instead of 4")
    assert "take the tab" in error.fix


def test_fields_of_files_without_header(tmp_path: Path) -> None:
    error = refused(tmp_path, "src\t1\t\tFine.\nsrc\t0\tNot fine.\n", Headerless)
    assert error.message.endswith("line 2: 3 fields instead of 4")
    error = refused(tmp_path, "1\tFine.\n", Headerless)
    assert error.message.endswith("line 1: field 4 is missing")


@pytest.mark.parametrize("text", ["", " ", "\u3000"])
def test_no_text(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, f"{HEADER}1\t7\ta\t{text}\n")
    assert error.message.endswith("line 2: no text in field 4")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_empty_lines_count_as_rows_that_are_missing(tmp_path: Path, place: int) -> None:
    rows = ["1\t7\ta\tb", "0\t8\tc\td"]
    rows.insert(place, "")
    error = refused(tmp_path, HEADER + "\n".join(rows) + "\n")
    assert error.message.endswith(f"line {place + 2}: an empty line")


def test_many_malformed_rows_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    rows = ["1\t7\ta\tb"] * 10 + ["1\tx"] * 1200 + ["2\t7\ta\tb"]
    error = refused(tmp_path, HEADER + "\n".join(rows))
    assert error.message.endswith("line 12: 2 fields instead of 4; 1,201 problems in all")
    assert len(error.received.split("\n    line ")) == 6
    assert "... and 1,196 more, the last in line 1212" in error.received
    assert error.expected == "4 tab-separated fields, as in line 1"
    assert len(str(error)) < 1500


def test_problems_of_several_kinds_are_told_together(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + "1\t7\ta\n9\t7\ta\tb\n")
    assert "line 2: 3 fields instead of 4" in error.received
    assert 'line 3: the label "9"' in error.received
    assert "one of" in error.expected and "4 tab-separated fields" in error.expected


def test_not_utf8(tmp_path: Path) -> None:
    content = HEADER.encode() + b"1\t7\ta\tb\n1\t7\tcaf\xe9\tb\n"
    error = refused(tmp_path, content)
    assert error.message.endswith("line 3: not UTF-8 text")
    assert "byte 0xe9 as byte 8 of the line" in error.received
    assert refused(tmp_path, HEADER.encode("utf-16")).message.endswith("is UTF-16, not UTF-8")


def test_nul(tmp_path: Path) -> None:
    error = refused(tmp_path, HEADER + "1\t7\ta\0\tb\n")
    assert error.message.endswith("line 2: a NUL byte")
    assert error.received == "byte 0x00 as byte 6 of the line"


@pytest.mark.parametrize("row", ["1\t7\ta\rb\tc\r\n", "1\t7\ta\tb\r\r\n", "1\t7\ta\tb\r"])
def test_stray_carriage_return(tmp_path: Path, row: str) -> None:
    error = refused(tmp_path, HEADER + row)
    assert error.message.endswith("line 2: a carriage return that ends no line")


def test_a_file_of_carriage_returns(tmp_path: Path) -> None:
    assert "line 1: a carriage return" in refused(tmp_path, HEADER.replace("\n", "\r") + "1\t7\ta\tb\r").message


def test_header_lacks_a_column(tmp_path: Path) -> None:
    error = refused(tmp_path, "gold\tid\tFirst\tsecond\n1\t7\ta\tb\n")
    assert error.message.endswith('line 1: the header lacks the column "first"')
    assert error.fix == 'rename the column "First" to "first"'
    assert error.received == '"gold", "id", "First", "second"'
    assert "own file" in refused(tmp_path, "1,7,a,b\n").fix
    assert 'lacks the column "gold"' in refused(tmp_path, "index\tfirst\tsecond\n0\ta\tb\n").message


def test_header_names_a_column_twice(tmp_path: Path) -> None:
    error = refused(tmp_path, "gold\tfirst\tfirst\tsecond\n1\ta\tb\tc\n")
    assert error.message.endswith("line 1: the header names a column twice")
    assert error.received.startswith("2 of them")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content).message.endswith("is empty")


def test_a_header_and_no_rows(tmp_path: Path) -> None:
    assert refused(tmp_path, HEADER).message.endswith("has a header and no rows")


def test_a_missing_file_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "Train.tsv").touch()
    with pytest.raises(DataError, match="cannot be read") as raised:
        read_tsv(tmp_path / "train.tsv", Pairs())
    assert raised.value.received == "No such file or directory"
    assert '"Train.tsv"' in raised.value.fix
    with pytest.raises(DataError) as raised:
        read_tsv(tmp_path / "none" / "train.tsv", Pairs())
    assert "there is no folder" in raised.value.fix
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_tsv(tmp_path / "folder", Pairs())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as raised:
        read_tsv(tmp_path / "empty" / "train.tsv", Pairs())
    assert "is empty" in raised.value.fix


def test_a_file_that_is_written_in_another_way(tmp_path: Path) -> None:
    layout = glueft.TSVLayout(
        "Headerless",
        {"sentence": 3, "label": 1},
        header=False,
        files={
            "train": "train.tsv",
            "test": (glueft.TSVFile("full.tsv", {"sentence": "text", "label": "kind"}, header=True), "test.tsv"),
        },
    )
    assert layout.candidates("train") == (glueft.TSVFile("train.tsv", {"sentence": 3, "label": 1}, header=False),)
    full, plain = layout.candidates("test")
    assert (full.name, plain) == ("full.tsv", glueft.TSVFile("test.tsv", {"sentence": 3, "label": 1}, header=False))

    class Mixed(Headerless):
        tsv = layout

    (tmp_path / "full.tsv").write_text("kind\ttext\n1\tFine.\n")
    assert read_tsv(tmp_path / "full.tsv", Mixed(), full) == Table((["Fine."],), [1])
    with pytest.raises(DataError, match='the header lacks the column "text"'):
        read_tsv(write(tmp_path / "train.tsv", "src\t1\t\tFine.\n"), Mixed(), full)


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_broken_lines_are_left_out_up_to_a_number(tmp_path: Path) -> None:
    path = write(tmp_path / "train.tsv", HEADER + "1\t7\ta\tb\n0\t8\tc\n d\te\n\n0\t9\tf\rg\th\n1\t7\ti\tj\n")
    table = read_tsv(path, Pairs(), short_rows=5)
    assert table == Table((["a", "i"], ["b", "j"]), [1, 1], left_out=5)
    with pytest.raises(DataError, match="line 3: 3 fields instead of 4; 5 problems in all"):
        read_tsv(path, Pairs(), short_rows=4)
    with pytest.raises(DataError, match="a carriage return that ends no line"):
        read_tsv(path, Pairs())
    # A line with too many fields is a problem in any case, and so is a wrong label.
    for row in ("1\t7\ta\tb\tc\n", "2\t7\ta\tb\n"):
        with pytest.raises(DataError, match="line 2"):
            read_tsv(write(path, HEADER + row), Pairs(), short_rows=5)


def test_empty_texts_where_the_task_permits_them(tmp_path: Path) -> None:
    class Loose(Pairs):
        empty_text = True

    assert read(tmp_path, HEADER + "1\t7\t\tb\n", Loose).texts == ([""], ["b"])


def test_layouts_that_cannot_be_used(tmp_path: Path) -> None:
    class NoLabel(Pairs):
        tsv = glueft.TSVLayout("Pairs", {"sentence1": "first", "sentence2": "second"})

    class Nameless(Headerless):
        tsv = glueft.TSVLayout("Headerless", {"sentence": "sentence", "label": 1}, header=False)

    for task in (NoLabel, Nameless):
        with pytest.raises(PluginError, match="cannot be used"):
            read(tmp_path, HEADER + "1\t7\ta\tb\n", task)
