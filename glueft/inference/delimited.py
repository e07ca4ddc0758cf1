"""CSV and TSV files, row by row; GLUE's own among them, which have no quotes and sometimes no header line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from glueft.errors import DataError
from glueft.inference.chunks import CELL_CHARACTERS, Chunk, Row, gather
from glueft.inference.text_columns import TextChoice, check_once
from glueft.plugin.task import TSVFile
from glueft.plugin.task_description import TaskDescription
from glueft.tables.delimited import Delimited, csv_records
from glueft.tables.problems import Problems, malformed
from glueft.tables.quotes import spans_lines
from glueft.tables.suffixes import TableFormat
from glueft.text import counted


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
        self.warnings: tuple[str, ...] = ()
        self.quotes = _quotes(choice, own=own)
        self.raw = tabs and self.quotes is False
        if self.quotes is not False:
            first = self._first(quotes=self.quotes)
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

    def _form(self, *, quotes: bool | None) -> Delimited:
        return Delimited(self.delimiter, quotes, "add --no-quotes", "add --quotes")

    def _first(self, *, quotes: bool | None) -> list[str]:
        """The fields of the first line that has any."""
        with closing(csv_records(self.path, self._form(quotes=quotes))) as records:
            for record in records:
                if record.problem is not None:
                    raise malformed(self.path, Problems(record.problem))
                return record.fields
        raise DataError(
            f"{self.name} has no rows",
            expected="a line that names the columns, and a row or more below it",
            received="nothing",
            fix="give the file its rows, or name another file",
        )

    def _rows(self) -> Iterator[Row]:
        named = self.headerless is not None
        over_lines: list[int] = []
        with closing(csv_records(self.path, self._form(quotes=self.quotes))) as records:
            for line, fields, problem, fatal in records:
                if not named:
                    named = True
                    continue
                if problem is not None and fatal:
                    raise malformed(self.path, Problems(problem))
                size = sum(map(len, fields)) + CELL_CHARACTERS * len(fields)
                if self.quotes is None and len(fields) == 1 and problem is None and spans_lines(fields):
                    over_lines.append(line)
                if problem is None:
                    yield Row(line, dict(zip(self._names, fields, strict=True)), size)
                else:
                    yield Row(line, None, size, content=fields, problem=problem)
        # In a file of one column any line would be a row: nothing tells what the quotes are for.
        self.warnings = (_over_lines(over_lines),) if over_lines else ()


def _quotes(choice: TextChoice, *, own: bool) -> bool | None:
    """Whether fields may stand in quotes: as asked for, else as usual, and then rows that a quote swallows are errors.

    Args:
        choice: says what was asked for, and what the task's files have.
        own: whether the file is one of the benchmark's.
    """
    if choice.quotes is not None:
        return choice.quotes
    usual = choice.layout.quotes if choice.layout.quotes is not None else not own
    return None if usual else False


def headerless_file(task: TaskDescription | None, name: str, first: list[str]) -> TSVFile | None:
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


def is_own_header(task: TaskDescription | None, first: list[str]) -> bool:
    """Tell whether a header line is one of the task's own TSV files, in which a quote is a character like any other."""
    if task is None or task.tsv is None:
        return False
    files = (file for split in task.tsv.files for file in task.tsv.candidates(split) if file.header)
    return any(all(file.columns is not None and file.columns[name] in first for name in task.inputs) for file in files)


def _over_lines(lines: list[int]) -> str:
    return (
        f"quotes make one text of several lines in {counted(len(lines), 'row')}, first in line {lines[0]}; "
        "where quotes are mere text, add --no-quotes"
    )


def _names(file: TSVFile, width: int) -> tuple[str, ...]:
    """Names for the columns of a file without a header line: the task's where it has one, else their numbers."""
    named = {position: name for name, position in (file.columns or {}).items()}
    return tuple(named.get(position, f"column_{position + 1}") for position in range(width))
