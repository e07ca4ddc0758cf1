"""The benchmark's own files: raw tab-separated text, one row a line.

Nothing is quoted: a `"` is a character like any other. A malformed row is an error that names its line: no row is ever
left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import DataError, PluginError
from glueft.plugin.task import Task, TSVFile, TSVLayout
from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.problems import Problem, Problems, listed, malformed, read_lines, shown

UNLABELLED = -1


@dataclass(frozen=True)
class Table:
    """The columns of one file, row by row in the order of its lines.

    Attributes:
        texts: one list of texts for each of the task's inputs.
        labels: label indices, or scores in regression; all -1 where the file has no label column.
        left_out: how many broken lines were left out, as the layout permits.
    """

    texts: tuple[list[str], ...]
    labels: list[int | float]
    left_out: int = 0


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
            carriage return breaks a row as a line feed does.

    Raises:
        DataError: the file cannot be read, its header lacks a column, or rows are malformed; names the file, the first
            few such lines and how many there are in all.
        PluginError: the task's layout contradicts itself.
    """
    layout = _layout(task)
    file = _checked(task, layout.complete(file or path.name))
    assert file.columns is not None
    lines = read_lines(path, carriage_returns=short_rows > 0)
    names, first = _header(path, lines, file)
    inputs = [_position(path, file.columns[column], names, lines[0]) for column in task.inputs]
    label = _label_position(path, file.columns["label"], names, lines[0], labelled)
    rows = list(enumerate(lines, start=1))[first - 1 :]
    if not rows:
        raise DataError(
            f"{path} has a header and no rows",
            expected="one row a line below the header line",
            received="the header line alone",
            fix="copy the file again: it seems cut short",
        )
    whole = [(number, row) for number, row in rows if row.count("\t") + 1 >= len(names)] if short_rows else rows
    left_out = len(rows) - len(whole)
    if left_out > short_rows:
        whole = rows  # More than the official file's: each of them is a problem.
    texts, labels = _columns(
        path, whole, len(names), inputs, label, _label_reader(task, labelled=labelled), empty=task.empty_text
    )
    return Table(texts, labels, left_out)


def _columns(
    path: Path,
    rows: list[tuple[int, str]],
    width: int,
    inputs: Sequence[int],
    label: int | None,
    read_label: Callable[[str], int | float],
    *,
    empty: bool,
) -> tuple[tuple[list[str], ...], list[int | float]]:
    texts: tuple[list[str], ...] = tuple([] for _ in inputs)
    labels: list[int | float] = []
    problems = Problems()
    for number, row in rows:
        fields = row.split("\t")
        if len(fields) != width:
            problems.add(_wrong_width(number, row, fields, width))
            continue
        for position, column in zip(inputs, texts, strict=True):
            text = fields[position]
            if not empty and (not text or text.isspace()):
                problems.add(_empty_text(number, position, row))
            if len(text) > limits.LONGEST_TEXT:
                problems.add(_long_text(number, position, text))
            column.append(text)
        if label is None:
            labels.append(UNLABELLED)
            continue
        try:
            labels.append(read_label(fields[label]))
        except _LabelError as error:
            problems.add(
                Problem(
                    number,
                    f"the {error.what} {shown(fields[label])} is not one of this task's",
                    error.expected,
                    f"{shown(fields[label])} in field {label + 1}",
                    error.fix,
                )
            )
    if problems:
        raise malformed(path, problems)
    return texts, labels


def _layout(task: Task) -> TSVLayout:
    if task.tsv is None:
        raise DataError(
            f'the task "{task.name}" has no layout for files of its own',
            expected="a task whose class sets `tsv`",
            received=f"{type(task).__name__}.tsv = None",
            fix='read it from the hub: [data] source = "hub"',
        )
    return task.tsv


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


def _header(path: Path, lines: list[str], file: TSVFile) -> tuple[list[str], int]:
    """The name of each field, empty where the layout has no header, and the number of the first row's line."""
    fields = lines[0].split("\t")
    if not file.header:
        return ["" for _ in fields], 1
    wanted = {column for column in (file.columns or {}).values() if isinstance(column, str)}
    twice = sorted(name for name in wanted if fields.count(name) > 1)
    if twice:
        raise DataError(
            f"{path}, line 1: the header names a column twice",
            expected=f"one column called {shown(twice[0])}",
            received=f"{fields.count(twice[0])} of them: {listed(fields)}",
            fix="rename or remove the column that is too many",
        )
    return fields, 2


def _position(path: Path, column: str | int, names: list[str], line: str) -> int:
    if isinstance(column, int):
        if column < len(names):
            return column
        raise DataError(
            f"{path}, line 1: field {column + 1} is missing",
            expected=f"at least {column + 1} tab-separated fields",
            received=f"{len(names)} in {shown(line)}",
            fix="check that this is the task's own file and that its fields are separated by tabs",
        )
    if column in names:
        return names.index(column)
    near = nearest(column, names)
    raise DataError(
        f"{path}, line 1: the header lacks the column {shown(column)}",
        expected=f"a header line with {shown(column)}",
        received=listed(names),
        fix=f"rename the column {shown(near)} to {shown(column)}"
        if near
        else "check that this is the task's own file, with its header line and with tabs between the fields",
    )


def _label_position(path: Path, column: str | int, names: list[str], line: str, labelled: bool) -> int | None:
    if not labelled and isinstance(column, str) and column not in names:
        return None
    return _position(path, column, names, line)


class _LabelError(Exception):
    what = "label"
    fix = "correct the label, or the task's `label_text` if its files write labels in another way"

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


class _ScoreError(_LabelError):
    what = "score"
    fix = "correct the score, or remove the row on purpose"


def _label_reader(task: Task, *, labelled: bool) -> Callable[[str], int | float]:
    if not task.labels:
        return lambda text: _score(text, task.score_range, labelled=labelled)
    assert task.tsv is not None
    allowed = task.tsv.label_text or tuple(str(index) for index in range(len(task.labels)))
    if len(allowed) != len(task.labels):
        raise PluginError(
            f'the `tsv` layout of the task "{task.name}" cannot be used',
            expected=f"a `label_text` for each of its {len(task.labels)} labels ({listed(task.labels)})",
            received=f"{len(allowed)}: {listed(allowed)}",
            fix="correct `tsv` in the task's plugin, or tell its author",
        )
    indices = {text: index for index, text in enumerate(allowed)}

    def index_of(text: str) -> int:
        try:
            return indices[text]
        except KeyError:
            pairs = (f"{shown(text)} ({name})" for text, name in zip(allowed, task.labels, strict=True))
            raise _LabelError(f"one of {', '.join(pairs)}") from None

    return index_of


def _score(text: str, bounds: tuple[float, float] | None, *, labelled: bool) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    # `float` also takes " 1", "1_0", "nan" and "inf", which no file of scores should hold.
    if not math.isfinite(score) or text != text.strip() or "_" in text:
        raise _ScoreError("a finite number, such as 3.8")
    if bounds is not None and not bounds[0] <= score <= bounds[1] and (labelled or score != UNLABELLED):
        raise _ScoreError(f"a score from {bounds[0]:g} to {bounds[1]:g}")
    return score


def _wrong_width(number: int, row: str, fields: list[str], width: int) -> Problem:
    expected = f"{width} tab-separated fields, as in line 1"
    if not row:
        return Problem(number, "an empty line", expected, "nothing", "remove the line, or restore its row")
    count = f"{len(fields)} field" + ("s" if len(fields) > 1 else "")
    return Problem(
        number,
        f"{count} instead of {width}",
        expected,
        f"{count}: {shown(row)}",
        "restore the missing tab or field" if len(fields) < width else "take the tab that is too many out of the text",
    )


def _empty_text(number: int, position: int, row: str) -> Problem:
    return Problem(
        number,
        f"no text in field {position + 1}",
        "a text that is more than white space",
        f"an empty field {position + 1} in {shown(row)}",
        "restore the text, or remove the row on purpose",
    )


def _long_text(number: int, position: int, text: str) -> Problem:
    return Problem(
        number,
        f"the text in field {position + 1} is too long",
        f"a text of at most {limits.LONGEST_TEXT:,} characters",
        f"{len(text):,} characters: {shown(text)}",
        "cut the text: a model reads its first some hundred words",
    )
