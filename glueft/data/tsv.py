"""The benchmark's own files: raw tab-separated text, one row a line.

Nothing is quoted: a `"` is a character like any other. Only a line feed ends a line, with or without a carriage return
before it; U+2028, vertical tabs and the like are text. A byte order mark may come first. The last line may end with a
line feed or without one. Whatever else is odd about a row is an error that names its line: no row is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import DataError, PluginError
from glueft.nearest import nearest
from glueft.plugin import Task, TSVLayout

UNLABELLED = -1
PROBLEMS_SHOWN = 5
TEXT_SHOWN = 60


@dataclass(frozen=True)
class Table:
    """The columns of one file, row by row in the order of its lines.

    Attributes:
        texts: one list of texts for each of the task's inputs.
        labels: label indices, or scores in regression; all -1 where the file has no label column.
    """

    texts: tuple[list[str], ...]
    labels: list[int | float]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line."""

    line: int
    message: str
    expected: str
    received: str
    mend: str


def read_tsv(path: Path, task: Task, *, labelled: bool = True) -> Table:
    """Read one file of a task's `tsv` layout.

    Args:
        path: the file.
        task: says which columns hold the texts and the label, and how the file writes each label.
        labelled: whether there must be a label column; without one, every label is -1.

    Raises:
        DataError: the file cannot be read, its header lacks a column, or rows are malformed; names the file, the first
            few such lines and how many there are in all.
        PluginError: the task's layout contradicts itself.
    """
    layout = _checked_layout(task)
    lines = _lines(path)
    names, first = _header(path, lines, layout)
    inputs = [_position(path, layout.columns[column], names, lines[0]) for column in task.inputs]
    label = _label_position(path, layout, names, lines[0], labelled)
    rows = lines[first - 1 :]
    if not rows:
        raise DataError(
            f"{path} has a header and no rows",
            expected="one row a line below the header line",
            received="the header line alone",
            mend="copy the file again: it seems cut short",
        )
    return _columns(path, rows, first, len(names), inputs, label, _label_reader(task))


def _columns(
    path: Path,
    rows: list[str],
    first: int,
    width: int,
    inputs: Sequence[int],
    label: int | None,
    read_label: Callable[[str], int | float],
) -> Table:
    texts: tuple[list[str], ...] = tuple([] for _ in inputs)
    labels: list[int | float] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=first):
        fields = row.split("\t")
        if len(fields) != width:
            problems.append(_wrong_width(number, row, fields, width))
            continue
        for position, column in zip(inputs, texts, strict=True):
            text = fields[position]
            if not text or text.isspace():
                problems.append(_empty_text(number, position, row))
            column.append(text)
        if label is None:
            labels.append(UNLABELLED)
            continue
        try:
            labels.append(read_label(fields[label]))
        except _LabelError as error:
            problems.append(
                Problem(
                    number,
                    f"the label {_shown(fields[label])} is not one of this task's",
                    error.expected,
                    f"{_shown(fields[label])} in field {label + 1}",
                    "correct the label, or the task's `label_text` if its files write labels in another way",
                )
            )
    if problems:
        raise _malformed(path, problems)
    return Table(texts, labels)


def _checked_layout(task: Task) -> TSVLayout:
    layout = task.tsv
    if layout is None:
        raise DataError(
            f'the task "{task.name}" has no layout for files of its own',
            expected="a task whose class sets `tsv`",
            received=f"{type(task).__name__}.tsv = None",
            mend='read it from the hub: [data] source = "hub"',
        )
    missing = [column for column in (*task.inputs, "label") if column not in layout.columns]
    unnamed = [column for column in layout.columns.values() if not layout.header and not isinstance(column, int)]
    if missing or unnamed:
        raise PluginError(
            f'the `tsv` layout of the task "{task.name}" cannot be used',
            expected="a column for each of the task's inputs and for `label`; positions where there is no header line",
            received=f"columns = {dict(layout.columns)}, header = {layout.header}",
            mend="correct `tsv` in the task's plugin, or tell its author",
        )
    return layout


def _lines(path: Path) -> list[str]:
    """Every line without its end; raises what is wrong with the file's bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read",
            expected="a tab-separated file of the benchmark",
            received=error.strerror or str(error),
            mend=f"put the file there; {_beside(path)}",
        ) from None
    if not content.strip():
        raise DataError(
            f"{path} is empty",
            expected="a tab-separated file of the benchmark, one row a line",
            received=f"{len(content)} bytes and no row",
            mend="copy the file again",
        )
    problems = _unreadable(content)
    if problems:
        raise _malformed(path, problems)
    lines = content.decode("utf-8-sig").split("\n")
    if not lines[-1]:
        lines.pop()  # The line feed that ends the last line starts no line of its own.
    if b"\r" in content:
        lines = [line.removesuffix("\r") for line in lines]
    return lines


def _unreadable(content: bytes) -> list[Problem]:
    """The lines that are not UTF-8, or hold a NUL or a carriage return that ends no line."""
    # Whole-file checks first: a good file pays for no loop.
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if b"\0" not in content and content.count(b"\r") == content.count(b"\r\n"):
            return []
    problems = []
    offset = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        problem = _unreadable_line(number, line, offset, last=offset + len(line) == len(content))
        if problem:
            problems.append(problem)
        offset += len(line) + 1
    return problems


def _unreadable_line(number: int, line: bytes, offset: int, *, last: bool) -> Problem | None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(
            number,
            "not UTF-8 text",
            "UTF-8, with or without a byte order mark",
            f"byte 0x{line[error.start]:02x} at offset {offset + error.start} of the file ({error.reason})",
            "convert the file to UTF-8: iconv -f LATIN1 -t UTF-8, if that is what it is in",
        )
    if b"\0" in line:
        place = line.index(b"\0")
        return Problem(
            number,
            "a NUL byte",
            "text",
            f"byte 0x00 at offset {offset + place} of the file",
            "copy the file again: it seems damaged, or is UTF-16 (then convert it to UTF-8)",
        )
    place = (line if last else line.removesuffix(b"\r")).find(b"\r")
    if place >= 0:
        return Problem(
            number,
            "a carriage return that ends no line",
            "lines that end with LF or CRLF, and no carriage return within a line",
            f"byte 0x0d at offset {offset + place} of the file",
            "take the carriage return out, or convert the file's line ends to LF",
        )
    return None


def _header(path: Path, lines: list[str], layout: TSVLayout) -> tuple[list[str], int]:
    """The name of each field, empty where the layout has no header, and the number of the first row's line."""
    fields = lines[0].split("\t")
    if not layout.header:
        return ["" for _ in fields], 1
    wanted = {column for column in layout.columns.values() if isinstance(column, str)}
    twice = sorted(name for name in wanted if fields.count(name) > 1)
    if twice:
        raise DataError(
            f"{path}, line 1: the header names a column twice",
            expected=f"one column called {_shown(twice[0])}",
            received=f"{fields.count(twice[0])} of them: {_names(fields)}",
            mend="rename or remove the column that is too many",
        )
    return fields, 2


def _position(path: Path, column: str | int, names: list[str], line: str) -> int:
    if isinstance(column, int):
        if column < len(names):
            return column
        raise DataError(
            f"{path}, line 1: field {column + 1} is missing",
            expected=f"at least {column + 1} tab-separated fields",
            received=f"{len(names)} in {_shown(line)}",
            mend="check that this is the task's own file and that its fields are separated by tabs",
        )
    if column in names:
        return names.index(column)
    near = nearest(column, names)
    raise DataError(
        f"{path}, line 1: the header lacks the column {_shown(column)}",
        expected=f"a header line with {_shown(column)}",
        received=_names(names),
        mend=f"rename the column {_shown(near)} to {_shown(column)}"
        if near
        else "check that this is the task's own file, with its header line and with tabs between the fields",
    )


def _label_position(path: Path, layout: TSVLayout, names: list[str], line: str, labelled: bool) -> int | None:
    column = layout.columns["label"]
    if not labelled and isinstance(column, str) and column not in names:
        return None
    return _position(path, column, names, line)


class _LabelError(Exception):
    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def _label_reader(task: Task) -> Callable[[str], int | float]:
    if not task.labels:
        return _score
    assert task.tsv is not None
    allowed = task.tsv.label_text or tuple(str(index) for index in range(len(task.labels)))
    if len(allowed) != len(task.labels):
        raise PluginError(
            f'the `tsv` layout of the task "{task.name}" cannot be used',
            expected=f"a `label_text` for each of its {len(task.labels)} labels ({_names(task.labels)})",
            received=f"{len(allowed)}: {_names(allowed)}",
            mend="correct `tsv` in the task's plugin, or tell its author",
        )
    indices = {text: index for index, text in enumerate(allowed)}

    def index_of(text: str) -> int:
        try:
            return indices[text]
        except KeyError:
            pairs = (f"{_shown(text)} ({name})" for text, name in zip(allowed, task.labels, strict=True))
            raise _LabelError(f"one of {', '.join(pairs)}") from None

    return index_of


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    # `float` also takes " 1", "1_0", "nan" and "inf", which no file of scores should hold.
    if not math.isfinite(score) or text != text.strip() or "_" in text:
        raise _LabelError("a finite number, such as 3.8")
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
        f"{count}: {_shown(row)}",
        "restore the missing tab or field" if len(fields) < width else "take the tab that is too many out of the text",
    )


def _empty_text(number: int, position: int, row: str) -> Problem:
    return Problem(
        number,
        f"no text in field {position + 1}",
        "a text that is more than white space",
        f"an empty field {position + 1} in {_shown(row)}",
        "restore the text, or remove the row on purpose",
    )


def _malformed(path: Path, problems: list[Problem]) -> DataError:
    """One error for all of a file's malformed lines: the first few in full, then how many there are."""
    first = problems[0]
    if len(problems) == 1:
        return DataError(
            f"{path}, line {first.line}: {first.message}",
            expected=first.expected,
            received=first.received,
            mend=first.mend,
        )
    shown = problems[:PROBLEMS_SHOWN]
    received = [f"line {problem.line}: {problem.message}; {problem.received}" for problem in shown]
    if len(problems) > len(shown):
        received.append(f"... and {len(problems) - len(shown):,} more, the last in line {problems[-1].line}")
    return DataError(
        f"{path}, line {first.line}: {first.message}; {len(problems):,} such problems in all",
        expected="; ".join(dict.fromkeys(problem.expected for problem in shown)),
        received="".join(f"\n    {line}" for line in received),
        mend="; ".join(dict.fromkeys(problem.mend for problem in shown)),
    )


def _beside(path: Path) -> str:
    """Which files lie where `path` was looked for."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    names = sorted(entry.name for entry in path.parent.iterdir())
    return f"in {path.parent} there are: {_names(names)}" if names else f"{path.parent} is empty"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(_shown(name) for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown


def _shown(text: str) -> str:
    """The text in quotes, with tabs and control characters made visible, cut to a length that fits a line."""
    cut = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "..."
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut) + '"'
