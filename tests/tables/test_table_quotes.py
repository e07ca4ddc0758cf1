"""Quotes that are mere text swallow rows; those of exported files hold texts of several lines. Which is which."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from glueft.errors import DataError
from glueft.tables.columns import read_columns

PLAIN = "".join(f"text {number} is as it is,{('good', 'bad')[number % 2]}\n" for number in range(40))

# What is written, and the lines that one cell takes in.
SWALLOWED: dict[str, tuple[str, str, int, int]] = {
    "tsv": (
        "a.tsv",
        'text\tlabel\n"Come in, she said.\tgood\nthe soup was cold\tbad\nand home happy"\tgood\na bike\tbad\n',
        2,
        4,
    ),
    "csv": ("a.csv", 'text,label\n"Come in she said,good\nthe soup was cold,bad\nand home",good\na bike,bad\n', 2, 4),
    "two rows": ("a.csv", 'text,label\n"nice,good\nkind",bad\nrude,bad\n', 2, 3),
    "every row": ("a.csv", 'text,label\n"nice,good\nkind",bad\n', 2, 3),
    "crlf": ("a.csv", 'text,label\r\n"nice,good\r\nkind",bad\r\nrude,bad\r\n', 2, 3),
    "an empty line": ("a.csv", 'text,label\n"nice,good\n\nkind",bad\nrude,bad\n', 2, 4),
    "a wide row inside": ("a.csv", 'text,label\n"nice,good\na, b,bad\nc,bad\nkind",bad\nrude,bad\n', 2, 5),
    "doubled quotes inside": ("a.csv", 'text,label\n"nice,good\nsaid ""no"" to,bad\nkind",bad\nrude,bad\n', 2, 4),
    "the last column": ("a.csv", 'label,text\ngood,"Come in\nbad,cold\ngood,happy"\nbad,x\n', 2, 4),
    "three columns": ("a.csv", 'id,text,label\n1,"Come in,good\n2,cold,bad\n3,happy",good\n4,x y,bad\n', 2, 4),
    "two quoted columns": ("a.tsv", 'text\tb\tlabel\n"a\tb\tgood\nc"\t"d\tgood\ne\tf"\tbad\n', 2, 4),
    "no labels yet": ("a.tsv", 'text\tlabel\n"nice\t\nkind"\t\nrude\t\n', 2, 3),
    "a label of its own": ("a.csv", f'text,label\n{PLAIN}"Come in,so-so\ncold,bad\nout",good\n', 42, 44),
    "among many": ("a.csv", f'text,label\n{PLAIN}"Come in,good\nout",bad\n{PLAIN}', 42, 43),
    "sorted": ("a.csv", "text,label\n" + "a b,bad\n" * 6000 + '"c,good\nd",good\n' + "e f,good\n" * 9, 6002, 6003),
    "numbers tell": ("a.csv", "id,text\n" + "".join(f"{n},a b\n" for n in range(9)) + '9,"come\n10,go"\n', 11, 12),
}

# A row each for every cell: what programs write, with their own quotes.
WHOLE: dict[str, tuple[str, str, int]] = {
    "a letter": ("a.csv", 'text,label\n"Dear all,\nthe soup was cold.",bad\n"Hello,\n\nnice",good\nplain,bad\n', 3),
    "a letter without label": ("a.csv", 'text,label\n"Dear all,\nthe soup was cold.",\nplain,\n', 2),
    "commas": ("a.csv", 'text,label\n"One, two\nthree, four",good\n"five, six\nseven",bad\n', 2),
    "a number": ("a.csv", f'text,label\n"It cost 1,000 euros.\nToo much",bad\n{PLAIN}', 41),
    "no label of the file": ("a.csv", f'text,label\n"Hello,Bob\nbye",bad\n{PLAIN}', 41),
    "a list": ("a.csv", 'text,label\n"milk\neggs\nbread",good\n"a\nb",bad\n', 2),
    "a tab": ("a.tsv", 'id\ttext\tlabel\n1\t"Two\nlines, and a\ttab"\tgood\n2\tx\tbad\n', 2),
    "no number": ("a.csv", 'id,text\n1,"a, b\nHello,d"\n2,x\n3,y\n4,z\n', 4),
    "quotes that must be there": ("a.csv", 'text,label\n"Hello,Bob\nbye",bad\n"a, b",good\n', 2),
    "tabs in a text": ("a.tsv", 'text\tid\n"c\td\nall said"\t1\n"one\ntwo"\t2\n', 2),
    "one column": ("a.csv", 'text\n"a\nb"\nc\n', 2),
}


@pytest.mark.parametrize("case", SWALLOWED)
def test_rows_swallowed_by_a_quote_are_an_error(case: str, tmp_path: Path) -> None:
    name, content, first, last = SWALLOWED[case]
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(DataError) as caught:
        read_columns(tmp_path / name, ["text"])
    assert f"{name}, line {first}: a quote opens here and closes in line {last}, and" in caught.value.message
    assert "add quotes = false to [task]" in caught.value.fix and "set quotes = true" in caught.value.fix
    # Both ways out are ways out.
    assert len(read_columns(tmp_path / name, ["text"], quotes=True).numbers) >= 1
    if case != "a wide row inside":
        lines = len(content.replace("\n\n", "\n").splitlines()) - content.count("\r\n\r\n")
        assert len(read_columns(tmp_path / name, ["text"], quotes=False).numbers) == lines - 1


@pytest.mark.parametrize("case", WHOLE)
def test_texts_of_several_lines_are_read(case: str, tmp_path: Path) -> None:
    name, content, rows = WHOLE[case]
    (tmp_path / name).write_text(content)
    assert len(read_columns(tmp_path / name, ["text"]).numbers) == rows


def test_rows_swallowed_among_texts_of_several_lines(tmp_path: Path) -> None:
    begin = 'text,label\n"The soup\nwas cold",bad\n'
    (tmp_path / "a.csv").write_text(f'{begin}"Come in,good\na bike,bad\nand home",good\nrude,bad\nnice,good\n')
    with pytest.raises(DataError, match=r"line 4: a quote opens here and closes in line 6"):
        read_columns(tmp_path / "a.csv", ["text"])
    (tmp_path / "a.csv").write_text(f'{begin}"Hello,Bob\nbye",good\nrude,bad\nnice,good\n')
    assert len(read_columns(tmp_path / "a.csv", ["text"]).numbers) == 4


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_programs_write_is_read_back(delimiter: str, tmp_path: Path) -> None:
    prose = ["The soup", "as he said,", '"really" cold!', "Dear Bob,\nwe", "paid 1,000 euros.", "Then:\t", "nothing;"]
    choice = random.Random(7)
    rows = [
        (
            str(number),
            "\n".join(
                " ".join(choice.choices(prose, k=choice.randint(1, 9))) for _ in range(choice.choice((1, 1, 2, 5)))
            ),
            choice.choice(("good", "bad", "so-so")),
        )
        for number in range(1000)
    ]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(("id", "text", "label"))
        writer.writerows(rows)
    columns = read_columns(path, ["id", "text", "label"], delimiter=delimiter)
    assert list(zip(*columns.cells.values(), strict=True)) == rows


def test_a_row_too_wide_for_a_quote_names_the_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"nice,good\nrude,"bad",bad\n')
    with pytest.raises(DataError) as caught:
        read_columns(path, ["text"])
    assert "add quotes = false to [task]" in str(caught.value)
    path.write_text('a,b,c\n"x,y,z\nu,v,"\n')
    with pytest.raises(DataError, match="1 field instead of 3, in a row that a quote extends to line 3") as caught:
        read_columns(path, ["a"])
    assert "add quotes = false to [task]" in caught.value.fix


def test_a_row_too_wide_where_quotes_are_mere_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a, b",good\nc, d,bad\n')
    with pytest.raises(DataError, match="line 2: 3 fields instead of 2; 2 problems in all") as caught:
        read_columns(path, ["text"], quotes=False)
    plain = "take the , that is too many out of the field"
    assert f"{plain}; where fields with one stand in double quotes, set quotes = true in [task]; {plain}" in str(
        caught.value
    )


def test_names_of_columns_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"text,label\nnice,good\nkind",bad\nrude,bad\n')
    with pytest.raises(DataError, match="line 1: a quote opens here and closes in line 3, and the lines it takes in"):
        read_columns(path, ["text"])
    path.write_text('id,"the\ntext","the\nlabel"\n1,a,b\n')
    assert read_columns(path, ["the\ntext"]).cells == {"the\ntext": ["a"]}
