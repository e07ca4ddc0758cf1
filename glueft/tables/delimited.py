"""CSV and TSV: rows with their lines, by Python's csv module (pandas and pyarrow do not tell lines), and a writer."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from glueft.metrics.label_sets import set_text
from glueft.tables import limits
from glueft.tables.json_lines import cell_text, rows_as_dicts
from glueft.tables.lines import TextLines, stray_return
from glueft.tables.problems import Problem, listed, shown
from glueft.tables.quotes import ColumnLooks, all_as_wide, as_wide, spans_lines
from glueft.text import number_text


@dataclass(frozen=True)
class Delimited:
    """How a CSV or TSV file is written.

    Attributes:
        delimiter: one character between the fields.
        quotes: whether a field may stand in double quotes; a quoted one may hold delimiters and line breaks, and `""`
            for a quote. None for yes, but a field that seems to have swallowed the rows behind it is an error.
        compression: see `TableFormat`.
        no_quotes: how the user says that quotes are text; with_quotes: that they are not. For messages.
    """

    delimiter: str
    quotes: bool | None = None
    compression: str | None = None
    no_quotes: str = "add quotes = false to [task]"
    with_quotes: str = "set quotes = true in [task]"


class Record(NamedTuple):
    """A row as it is written."""

    line: int  # on which it begins, from 1
    fields: list[str]  # as many as the first record has, unless there is a problem
    problem: Problem | None = None
    fatal: bool = False  # whether more is lost: rows that a quote has swallowed, or all behind this one


def read_records(path: Path, form: Delimited) -> Generator[Record, None, None]:
    """Yield the rows of a file, the names of its columns first. Empty lines are no rows.

    Raises:
        DataError: the file cannot be opened or decompressed, is in UTF-16, or a line is too long.
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


def _parsed(path: Path, form: Delimited) -> Generator[tuple[Record, int], None, None]:
    """Yield every record, and the number of the line behind it."""
    before = csv.field_size_limit(limits.LONGEST_FIELD)  # The whole module's: it is set back.
    try:
        text = TextLines(path, form.compression)
        quoting: Any = csv.QUOTE_NONE if form.quotes is False else csv.QUOTE_MINIMAL
        reader = csv.reader(text, delimiter=form.delimiter, quoting=quoting, strict=True)
        line, fatal = 1, False
        while not fatal:
            fields: list[str] = []
            problem = None
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                stray = "new-line character" in str(error)
                problem = stray_return(line) if stray else _unreadable(line, str(error), form)
                fatal = not stray
            problem = text.problem() or problem
            behind = reader.line_num + 1
            yield Record(line, fields, problem, fatal), behind
            line = behind
    finally:
        csv.field_size_limit(before)


def _looks(path: Path, form: Delimited, width: int) -> ColumnLooks:
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
    """An error of the csv module in the user's words; the module cannot go on after it."""
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


def raw_tsv(rows: Iterable[Sequence[str]]) -> str:
    """Write TSV without quotes: no field holds a tab or a line end."""
    return "".join("\t".join(row) + "\n" for row in rows)


class DelimitedWriter:
    """Writes CSV or TSV; see `TableWriter`. Texts are never changed.

    `raw` writes no quotes: the fields hold neither delimiters nor line breaks.
    """

    def __init__(
        self, file: IO[bytes], names: Sequence[str], result_names: Sequence[str], *, delimiter: str, raw: bool = False
    ) -> None:
        self.names, self.delimiter = names, delimiter
        # Half characters, which JSON can hold and UTF-8 cannot, become escapes.
        self.text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        # With CRLF as its line end, the csv module quotes fields with either character; the line itself ends with LF.
        self.csv = None if raw else csv.writer(_LineFeeds(self.text), delimiter=delimiter, lineterminator="\r\n")
        self._line([*names, *result_names])

    def write(self, rows: Any, results: Sequence[Sequence[Any]]) -> None:
        for cells, *added in zip(rows_as_dicts(rows), *results, strict=True):
            row = [cell_text(cells.get(name)) for name in self.names]
            self._line(row + [_result_text(cell) for cell in added])

    def close(self) -> None:
        self.text.flush()
        self.text.detach()

    def _line(self, fields: Sequence[str]) -> None:
        if self.csv is None:
            self.text.write(self.delimiter.join(fields) + "\n")
        else:
            self.csv.writerow(fields)


def _result_text(cell: str | float | list[str]) -> str:
    if isinstance(cell, list):
        return set_text(cell)
    return number_text(cell) if isinstance(cell, float) else cell


class _LineFeeds:
    def __init__(self, text: IO[str]) -> None:
        self.text = text

    def write(self, line: str) -> None:
        self.text.write(line.removesuffix("\r\n") + "\n")
