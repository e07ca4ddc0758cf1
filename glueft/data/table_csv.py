"""CSV and TSV files, by Python's own csv module: pandas and pyarrow do not tell on which line a row begins."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glueft.data.lines import Problem, listed, malformed
from glueft.data.table_missing import check_columns
from glueft.data.table_text import TextLines


def read_csv(
    path: Path, wanted: Sequence[str], optional: Sequence[str], delimiter: str, *, quotes: bool
) -> tuple[list[int], dict[str, list[Any]]]:
    """Return the line on which each row begins, and the cells of each column; see `read_columns`."""
    limit = csv.field_size_limit(2**31 - 1)  # A text may be long. The limit is the whole module's: it is set back.
    try:
        text = TextLines(path)
        return _rows(
            text,
            csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, strict=True),
            wanted,
            optional,
            delimiter,
        )
    finally:
        csv.field_size_limit(limit)


def _rows(
    text: TextLines, reader: Any, wanted: Sequence[str], optional: Sequence[str], delimiter: str
) -> tuple[list[int], dict[str, list[Any]]]:
    names: list[str] = []
    numbers: list[int] = []
    cells: dict[str, list[Any]] = {}
    kept: list[tuple[int, list[Any]]] = []
    problems: list[Problem] = []
    number = 1
    try:
        for row in reader:
            if not row:
                pass  # An empty line holds no row; there may be some at the end of a file.
            elif not names:
                text.check()
                names = row
                check_columns(text.path, [*wanted, *(column for column in optional if column in names)], names)
                cells = {column: [] for column in (*wanted, *optional) if column in names}
                kept = [(names.index(column), cells[column]) for column in cells]
            elif len(row) != len(names):
                problems.append(_wrong_width(number, row, len(names), delimiter))
            else:
                numbers.append(number)
                for position, column in kept:
                    column.append(row[position])
            number = reader.line_num + 1
    except csv.Error as error:
        problems.append(_unreadable(number, str(error)))
    text.check()
    if problems:
        raise malformed(text.path, problems)
    return numbers, cells


def _wrong_width(number: int, row: list[str], width: int, delimiter: str) -> Problem:
    count = f"{len(row)} field" + ("s" if len(row) > 1 else "")
    separator = "tab" if delimiter == "\t" else delimiter
    return Problem(
        number,
        f"{count} instead of {width}",
        f"{width} fields in each row, as in the first line",
        f"{count}: {listed(row)}",
        "restore the field that is missing"
        if len(row) < width
        else f'put a field that holds a {separator} in double quotes: "..."',
    )


def _unreadable(number: int, error: str) -> Problem:
    """The module's four complaints in the user's words; it cannot go on after one."""
    if "new-line character" in error:
        return Problem(
            number,
            "a carriage return that ends no line",
            "lines that end with LF or CRLF",
            "byte 0x0d without a byte 0x0a behind it",
            "take the carriage return out, or convert the file's line ends to LF",
        )
    if error == "unexpected end of data":
        message, received = "a double quote opens a field here and none closes it", "the end of the file in this field"
    elif "expected after" in error:
        message, received = "text behind the double quote that closes a field", error
    else:
        message, received = "this row cannot be read", error
    return Problem(
        number,
        message,
        'a field that holds a double quote stands in double quotes itself, and has "" for each one in it',
        received,
        "correct the quotes; where quotes are mere text in every row, add quotes = false to [task]",
    )
