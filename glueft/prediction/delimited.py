"""CSV and TSV files, row by row; GLUE's own among them, which have no quotes and sometimes no header line."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from glueft.data.lines import Problem, listed, malformed, shown
from glueft.data.table_format import TableFormat
from glueft.data.table_text import TextLines
from glueft.errors import DataError
from glueft.plugin import Task, TSVFile
from glueft.prediction.chunks import Chunk, Row, gather
from glueft.prediction.text_columns import TextChoice, check_once

# Beyond this a quote was opened and never closed: what follows is not read into memory.
LONGEST_FIELD = 2**24


class DelimitedTable:
    """A CSV or TSV file; see `RowSource`.

    Args:
        path: the file.
        form: what its suffix says.
        choice: which columns hold the texts.

    Raises:
        DataError: the file cannot be read, or its first line does not name the columns.
    """

    unit = "line"
    repeats = True

    def __init__(self, path: Path, form: TableFormat, choice: TextChoice) -> None:
        self.path, self.name, self.choice = path, str(path), choice
        given = choice.delimiter or choice.layout.delimiter
        self.delimiter = given or ("\t" if form.kind == "tsv" else ",")
        tabs = self.delimiter == "\t"
        first = self._first(quotes=False)
        self.headerless = headerless_file(choice.task, path.name, first) if tabs else None
        own = tabs and (self.headerless is not None or is_own_header(choice.task, first))
        wish = choice.quotes if choice.quotes is not None else choice.layout.quotes
        self.quotes = wish if wish is not None else not own
        self.raw = tabs and not self.quotes
        if self.quotes:
            first = self._first(quotes=True)
        self._names = tuple(first) if self.headerless is None else _names(self.headerless, len(first))
        check_once(self.name, self._names)
        if self.headerless is None:
            self.columns = choice.columns(self.name, self._names, separated=True)
        else:
            self.columns = choice.inputs

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, as the first line names them."""
        return self._names

    def schema(self) -> Any:
        """Return an Arrow schema: all of it is text."""
        import pyarrow

        return pyarrow.schema([(name, pyarrow.string()) for name in self._names])

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows, checked."""
        yield from gather(self._rows(), len(self.columns), self.choice.reader(self.columns))

    def _first(self, *, quotes: bool) -> list[str]:
        """The fields of the first line that has any."""
        lines = self._fields(quotes=quotes)
        try:
            for _, fields, problem in lines:
                if problem is not None:
                    raise malformed(self.path, [problem])
                if fields:
                    return fields
        finally:
            lines.close()
        raise DataError(
            f"{self.name} has no rows",
            expected="a line that names the columns, and a row or more below it",
            received="nothing",
            mend="give the file its rows, or name another file",
        )

    def _rows(self) -> Iterator[Row]:
        named = self.headerless is not None
        width = len(self._names)
        lines = self._fields(quotes=self.quotes)
        try:
            for number, fields, problem in lines:
                if not fields and problem is None:
                    continue  # An empty line holds no row; there may be some at the end of a file.
                if not named:
                    named = True
                    continue
                size = sum(map(len, fields))
                if problem is None and len(fields) != width:
                    problem = _wrong_width(number, fields, width, self.delimiter)
                if problem is None:
                    yield Row(number, dict(zip(self._names, fields, strict=True)), size)
                else:
                    yield Row(number, None, size, content=fields, problem=problem)
        finally:
            lines.close()

    def _fields(self, *, quotes: bool) -> Generator[tuple[int, list[str], Problem | None], None, None]:
        """A generator of each row's first line, its fields, and what is wrong with its lines."""
        limit = csv.field_size_limit(LONGEST_FIELD)  # The whole module's: it is set back.
        number = 1
        try:
            text = TextLines(self.path)
            quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
            reader = csv.reader(text, delimiter=self.delimiter, quoting=quoting, strict=True)
            while True:
                fields: list[str] = []
                problem = None
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    problem = _unreadable(number, str(error), quotes=quotes)
                    if "new-line character" not in str(error):
                        raise malformed(self.path, [problem]) from None
                if text.problems:
                    problem = text.problems[0]
                    text.problems.clear()
                yield number, fields, problem
                number = reader.line_num + 1
        finally:
            csv.field_size_limit(limit)


def headerless_file(task: Task | None, name: str, first: list[str]) -> TSVFile | None:
    """Return the file of a task's own layout that has no header line and this name; None if there is none.

    A file of that name whose first line does name the task's columns has a header after all.
    """
    if task is None or task.tsv is None:
        return None
    for split in task.tsv.files:
        for file in task.tsv.candidates(split):
            positions = [column for column in (file.columns or {}).values() if isinstance(column, int)]
            if (
                not file.header
                and name.lower().startswith(file.name)
                and max(positions) < len(first)
                and not set(task.inputs) & set(first)
            ):
                return file
    return None


def is_own_header(task: Task | None, first: list[str]) -> bool:
    """Tell whether a header line is one of the task's own TSV files, in which a quote is a character like any other."""
    if task is None or task.tsv is None:
        return False
    files = (file for split in task.tsv.files for file in task.tsv.candidates(split) if file.header)
    return any(all(file.columns is not None and file.columns[name] in first for name in task.inputs) for file in files)


def _names(file: TSVFile, width: int) -> tuple[str, ...]:
    """Names for the columns of a file without a header line: the task's where it has one, else their numbers."""
    named = {position: name for name, position in (file.columns or {}).items()}
    return tuple(named.get(position, f"column_{position + 1}") for position in range(width))


def _wrong_width(number: int, fields: list[str], width: int, delimiter: str) -> Problem:
    count = f"{len(fields)} field" + ("s" if len(fields) > 1 else "")
    separator = "tab" if delimiter == "\t" else delimiter
    return Problem(
        number,
        f"{count} instead of {width}",
        f"{width} fields in each row, as in the first line",
        f"{count}: {listed(fields)}",
        "restore the field that is missing"
        if len(fields) < width
        else f'put a field that holds a {separator} in double quotes: "..."',
    )


def _unreadable(number: int, error: str, *, quotes: bool) -> Problem:
    """The csv module's complaints in the user's words."""
    if "new-line character" in error:
        return Problem(
            number,
            "a carriage return that ends no line",
            "lines that end with LF or CRLF",
            "byte 0x0d without a byte 0x0a behind it",
            "take the carriage return out, or convert the file's line ends to LF",
        )
    mend = "close the quote" if quotes else "shorten the field"
    if "field larger" in error:
        message = f"a field of more than {LONGEST_FIELD:,} characters begins here"
        expected, received = "fields of a text's length", "a field that goes on and on"
    else:
        expected = 'a field that holds a double quote stands in double quotes itself, and has "" for each one in it'
        mend = "correct the quotes"
        if error == "unexpected end of data":
            message, received = (
                "a double quote opens a field here and none closes it",
                "the end of the file in this field",
            )
        elif "expected after" in error:
            message, received = "text behind the double quote that closes a field", error
        else:
            message, received = "this row cannot be read", shown(error)
    if quotes:
        mend += "; where quotes are mere text in every row, add --no-quotes"
    return Problem(number, message, expected, received, mend)
