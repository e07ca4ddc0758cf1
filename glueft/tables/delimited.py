"""CSV and TSV files, by Python's own csv module: pandas and pyarrow do not tell on which line a row begins."""

from __future__ import annotations

import csv
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from glueft.tables import limits
from glueft.tables.lines import TextLines
from glueft.tables.missing import check_columns
from glueft.tables.problems import Problem, Problems, listed, malformed, shown
from glueft.tables.quotes import ColumnLooks, all_as_wide, as_wide, spans_lines


@dataclass(frozen=True)
class Delimited:
    """How a CSV or TSV file is written.

    Attributes:
        delimiter: one character between the fields.
        quotes: whether a field may stand in double quotes, which are then not part of it; a quoted one may hold
            separators and line breaks, and `""` for a quote. None for yes, but a field that seems to have swallowed the
            rows behind it is an error.
        no_quotes: how the user says that quotes are mere text, for messages.
        with_quotes: how the user says that they are not, come what may.
    """

    delimiter: str
    quotes: bool | None = None
    no_quotes: str = "add quotes = false to [task]"
    with_quotes: str = "set quotes = true in [task]"


class Record(NamedTuple):
    """A row as it is written.

    Attributes:
        line: on which it begins, from 1.
        fields: its fields; as many as the first record has, unless there is a problem.
        problem: what is wrong with it.
        fatal: whether more than this row is lost with it: rows that a quote has swallowed, or all behind it.
    """

    line: int
    fields: list[str]
    problem: Problem | None = None
    fatal: bool = False


def csv_records(path: Path, form: Delimited) -> Generator[Record, None, None]:
    """Yield the rows of a file, the names of its columns first; empty lines hold none.

    Raises:
        DataError: the file cannot be opened or decompressed, is in UTF-16, or a line does not end.
    """
    width = 0
    looks: ColumnLooks | None = None
    with closing(_parsed(path, form)) as records:
        for record, behind in records:
            line, fields, problem, _ = record
            if not fields and problem is None:
                continue
            if problem is None and form.quotes is None and behind - line > 1 and spans_lines(fields):
                swallowed = as_wide(fields, form.delimiter, width) if width else all_as_wide(fields, form.delimiter)
                if swallowed and width:
                    looks = looks or _looks(path, form, width)
                    swallowed = looks.swallowed(fields)
                if swallowed:
                    record = Record(line, fields, _swallowed(line, behind - 1, fields, form), fatal=True)
            if record.problem is None and width and len(fields) != width:
                record = Record(line, fields, _wrong_width(line, behind - 1, fields, width, form))
            width = width or len(fields)
            yield record


def read_csv(
    path: Path, wanted: Sequence[str], optional: Sequence[str], form: Delimited
) -> tuple[list[int], dict[str, list[Any]]]:
    """Return the line on which each row begins, and the cells of each column; see `read_columns`."""
    numbers: list[int] = []
    cells: dict[str, list[Any]] = {}
    kept: list[tuple[int, list[Any]]] = []
    problems = Problems()
    names: list[str] = []
    with closing(csv_records(path, form)) as records:
        for line, fields, problem, _ in records:
            if problem is not None:
                problems.add(problem)
                if not names:
                    break
            elif not names:
                names = fields
                check_columns(path, [*wanted, *(column for column in optional if column in names)], names)
                cells = {column: [] for column in (*wanted, *optional) if column in names}
                kept = [(names.index(column), cells[column]) for column in cells]
            else:
                numbers.append(line)
                for position, column in kept:
                    column.append(fields[position])
    if problems:
        raise malformed(path, problems)
    return numbers, cells


def _parsed(path: Path, form: Delimited) -> Generator[tuple[Record, int], None, None]:
    """Yield every record, and the number of the line behind it."""
    before = csv.field_size_limit(limits.LONGEST_FIELD)  # The whole module's: it is set back.
    try:
        text = TextLines(path)
        quoting: Any = csv.QUOTE_NONE if form.quotes is False else csv.QUOTE_MINIMAL
        reader = csv.reader(text, delimiter=form.delimiter, quoting=quoting, strict=True)
        line = 1
        while True:
            fields: list[str] = []
            problem, fatal = None, False
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = _unreadable(line, str(error), form)
                fatal = "new-line character" not in str(error)
            if text.problems:
                problem = text.problems[0]
                text.problems.clear()
            behind = reader.line_num + 1
            yield Record(line, fields, problem, fatal), behind
            if fatal:
                return
            line = behind
    finally:
        csv.field_size_limit(before)


def _looks(path: Path, form: Delimited, width: int) -> ColumnLooks:
    """How the columns of a file look."""
    looks = ColumnLooks(width, form.delimiter)
    with closing(_parsed(path, form)) as records:
        for record, _ in islice(records, 1, None):  # Behind the names of the columns.
            if record.problem is None and len(record.fields) == width:
                looks.add(record.fields)
    return looks


def _swallowed(line: int, last: int, fields: list[str], form: Delimited) -> Problem:
    cell = next(field for field in fields if "\n" in field)
    begin, end = cell.splitlines()[0], cell.splitlines()[-1]
    return Problem(
        line,
        f"a quote opens here and closes in line {last}, and the lines it takes in look like rows of their own",
        "a quoted field that holds a text, not the rows behind it",
        f"one field from {shown(begin)} to {shown(end)}, {cell.count(chr(10)) + 1} lines",
        f"where quotes are mere text, {form.no_quotes}; if this is one text over several lines, {form.with_quotes}; "
        "else close the quote where its text ends",
    )


def _wrong_width(line: int, last: int, fields: list[str], width: int, form: Delimited) -> Problem:
    count = f"{len(fields)} field" + ("s" if len(fields) > 1 else "")
    separator = "tab" if form.delimiter == "\t" else form.delimiter
    if len(fields) < width:
        fix = "restore the field that is missing"
    elif form.quotes is False:
        fix = f"take the {separator} that is too many out of the field"
        if any('"' in field for field in fields):
            fix += f"; where fields with one stand in double quotes, {form.with_quotes}"
    else:
        fix = f'put a field that holds a {separator} in double quotes: "..."'
    message = f"{count} instead of {width}"
    if spans_lines(fields):
        message += f", in a row that a quote extends to line {last}"
        fix = f"correct the quotes; where they are mere text in every row, {form.no_quotes}"
    return Problem(
        line, message, f"{width} fields in each row, as in the first line", f"{count}: {listed(fields)}", fix
    )


def _unreadable(line: int, error: str, form: Delimited) -> Problem:
    """The module's complaints in the user's words; but for the first it cannot go on after one."""
    if "new-line character" in error:
        return Problem(
            line,
            "a carriage return that ends no line",
            "lines that end with LF or CRLF",
            "byte 0x0d without a byte 0x0a behind it",
            "take the carriage return out, or convert the file's line ends to LF",
        )
    quotes = form.quotes is not False
    fix = "correct the quotes"
    expected = 'a field that holds a double quote stands in double quotes itself, and has "" for each one in it'
    if "field larger" in error:
        message = f"a field of more than {limits.LONGEST_FIELD:,} characters begins here"
        expected, received = "fields of a text's length", "a field that goes on and on"
        fix = "close the quote" if quotes else "shorten the field"
    elif error == "unexpected end of data":
        message, received = "a double quote opens a field here and none closes it", "the end of the file in this field"
    elif "expected after" in error:
        message, received = "text behind the double quote that closes a field", error
    else:
        message, received = "this row cannot be read", shown(error)
    if quotes:
        fix += f"; where quotes are mere text in every row, {form.no_quotes}"
    return Problem(line, message, expected, received, fix)
