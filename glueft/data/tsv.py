"""The benchmark's own files: tab-separated text, one row a line, in which a `"` is a character like any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import DataError, PluginError
from glueft.plugin.task import Task, TSVFile
from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.cells import CellError
from glueft.tables.cells import text as read_text
from glueft.tables.lines import TextLines, stray_return
from glueft.tables.problems import Problem, Problems, listed, shown

UNLABELLED = -1


@dataclass(frozen=True)
class Table:
    """The columns of one file, row by row in the order of its lines."""

    texts: tuple[list[str], ...]  # for each of the task's inputs
    labels: list[int | float]  # indices, or scores in regression; all -1 where the file has no label column
    left_out: int = 0  # broken lines that the layout permits


def read_tsv(
    path: Path, task: Task, file: TSVFile | None = None, *, labelled: bool = True, short_rows: int = 0
) -> Table:
    """Read one file of a task's `tsv` layout.

    Args:
        path: the file.
        task: says which columns hold the texts and the label, and how the file writes each label.
        file: how this file is written, where it differs from the layout.
        labelled: whether there must be a label column; without one, every label is -1.
        short_rows: leave out up to so many lines with too few fields: rows that a line end in their text has broken. A
            carriage return then ends a line as a line feed does.

    Raises:
        DataError: the file cannot be read, its header lacks a column, or rows are malformed.
        PluginError: the task's layout contradicts itself.
    """
    assert task.tsv is not None
    file = _checked(task, task.tsv.complete(file or path.name))
    reader = _Reader(path, task, file, labelled=labelled, carriage_returns=short_rows > 0)
    table = reader.table(leave_out=short_rows > 0)
    # More than in the official file: then each of them is a problem.
    return table if table.left_out <= short_rows else reader.table(leave_out=False)


class _Reader:
    def __init__(self, path: Path, task: Task, file: TSVFile, *, labelled: bool, carriage_returns: bool) -> None:
        self.path, self.task, self.header = path, task, file.header
        self.carriage_returns = carriage_returns
        columns = file.columns or {}
        first = self._first_line()
        fields = first.split("\t")
        self.width = len(fields)
        names = self._checked_header(fields, [*columns.values()]) if file.header else []
        self.inputs = [self._position(columns[column], names, first) for column in task.inputs]
        label = columns["label"]
        self.label: int | None = None
        if labelled or isinstance(label, int) or label in names:
            self.label = self._position(label, names, first)
            self.read_label = _label_reader(task, self.label, labelled=labelled)

    def table(self, *, leave_out: bool) -> Table:
        """Read the rows; `leave_out` those with too few fields."""
        texts: tuple[list[str], ...] = tuple([] for _ in self.inputs)
        labels: list[int | float] = []
        problems = Problems()
        rows = left_out = 0
        for number, line, problem in self._lines():
            if number == 1 and self.header:
                continue
            rows += 1
            if problem is not None:
                problems.add(problem)
                continue
            fields = line.split("\t")
            if len(fields) != self.width:
                if leave_out and len(fields) < self.width:
                    left_out += 1
                else:
                    problems.add(_wrong_width(number, line, fields, self.width))
                continue
            for position, column in zip(self.inputs, texts, strict=True):
                text = fields[position]
                if (not self.task.empty_text and (not text or text.isspace())) or len(text) > limits.LONGEST_TEXT:
                    try:
                        read_text(f"field {position + 1}", text)
                    except CellError as error:
                        problems.add(error.at(number))
                column.append(text)
            if self.label is None:
                labels.append(UNLABELLED)
                continue
            try:
                labels.append(self.read_label(fields[self.label]))
            except CellError as error:
                problems.add(error.at(number))
        if not rows:
            raise DataError(
                f"{self.path} has a header and no rows",
                expected="one row a line below the header line",
                received="the header line alone",
                fix="copy the file again: it seems cut short",
            )
        if problems:
            raise problems.error(self.path)
        return Table(texts, labels, left_out)

    def _lines(self) -> Iterator[tuple[int, str, Problem | None]]:
        """Yield the lines without their ends, numbered, and what is wrong with one. Only a line feed ends a line."""
        text = TextLines(self.path)
        number = 0
        for line in text:
            whole = line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")
            problem = text.problem()
            if "\r" not in whole:
                number += 1
                yield number, whole, problem
            elif self.carriage_returns:
                # One that ends the file ends the last line.
                for part in (whole if line.endswith("\n") else whole.removesuffix("\r")).split("\r"):
                    number += 1
                    yield number, part, problem
            else:
                number += 1
                yield number, whole, problem or stray_return(number)

    def _first_line(self) -> str:
        lines = self._lines()
        _, first, problem = next(lines, (1, "", None))
        if problem is not None:
            raise Problems(problem).error(self.path)
        if not first.strip() and not any(line.strip() for _, line, _ in lines):
            raise DataError(
                f"{self.path} is empty",
                expected="a tab-separated file of the benchmark, one row a line",
                received=f"{self.path.stat().st_size} bytes and no row",
                fix="copy the file again",
            )
        return first

    def _checked_header(self, names: list[str], wanted: Sequence[str | int]) -> list[str]:
        twice = sorted(name for name in wanted if isinstance(name, str) and names.count(name) > 1)
        if twice:
            raise DataError(
                f"{self.path}, line 1: the header names a column twice",
                expected=f"one column called {shown(twice[0])}",
                received=f"{names.count(twice[0])} of them: {listed(names)}",
                fix="rename or remove the column that is too many",
            )
        return names

    def _position(self, column: str | int, names: list[str], line: str) -> int:
        if isinstance(column, int):
            if column < self.width:
                return column
            raise DataError(
                f"{self.path}, line 1: field {column + 1} is missing",
                expected=f"at least {column + 1} tab-separated fields",
                received=f"{self.width} in {shown(line)}",
                fix="check that this is the task's own file and that its fields are separated by tabs",
            )
        if column in names:
            return names.index(column)
        near = nearest(column, names)
        raise DataError(
            f"{self.path}, line 1: the header lacks the column {shown(column)}",
            expected=f"a header line with {shown(column)}",
            received=listed(names),
            fix=f"rename the column {shown(near)} to {shown(column)}"
            if near
            else "check that this is the task's own file, with its header line and with tabs between the fields",
        )


def _checked(task: Task, file: TSVFile) -> TSVFile:
    columns = file.columns or {}
    missing = [column for column in (*task.inputs, "label") if column not in columns]
    unnamed = [column for column in columns.values() if not file.header and not isinstance(column, int)]
    if missing or unnamed:
        raise PluginError(
            f'the `tsv` layout of the task "{task.name}" cannot be used',
            expected="a column for each of the task's inputs and for `label`; positions where there is no header line",
            received=f"columns = {dict(columns)}, header = {file.header}",
            fix="correct `tsv` in the task's plugin, or tell its author",
        )
    return file


def _label_reader(task: Task, position: int, *, labelled: bool) -> Callable[[str], int | float]:
    """Return what reads a label or a score, and raises CellError for any other text."""

    def wrong(what: str, text: str, expected: str, fix: str) -> CellError:
        message = f"the {what} {shown(text)} is not one of this task's"
        return CellError(message, expected, f"{shown(text)} in field {position + 1}", fix)

    def score(text: str) -> float:
        fix = "correct the score, or remove the row on purpose"
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # `float` also takes " 1", "1_0", "nan" and "inf", which no file of scores should hold.
        if not math.isfinite(value) or text != text.strip() or "_" in text:
            raise wrong("score", text, "a finite number, such as 3.8", fix)
        least, greatest = task.score_range or (value, value)
        if not least <= value <= greatest and (labelled or value != UNLABELLED):
            raise wrong("score", text, f"a score from {least:g} to {greatest:g}", fix)
        return value

    if not task.labels:
        return score
    assert task.tsv is not None
    allowed = task.tsv.label_text or tuple(map(str, range(len(task.labels))))
    indices = {text: index for index, text in enumerate(allowed)}

    def index_of(text: str) -> int:
        if text in indices:
            return indices[text]
        pairs = ", ".join(f"{shown(text)} ({name})" for text, name in zip(allowed, task.labels, strict=True))
        fix = "correct the label, or the task's `label_text` if its files write labels in another way"
        raise wrong("label", text, f"one of {pairs}", fix)

    return index_of


def _wrong_width(number: int, row: str, fields: list[str], width: int) -> Problem:
    expected = f"{width} tab-separated fields, as in line 1"
    if not row:
        return Problem(number, "an empty line", expected, "nothing", "remove the line, or restore its row")
    count = f"{len(fields)} field" + ("s" if len(fields) > 1 else "")
    few = len(fields) < width
    fix = "restore the missing tab or field" if few else "take the tab that is too many out of the text"
    return Problem(number, f"{count} instead of {width}", expected, f"{count}: {shown(row)}", fix)
