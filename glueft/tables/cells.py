"""What a cell says: a text, the name of a label, a score. Where it says none of it, a problem that names its line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.columns import Columns
from glueft.tables.label_forms import folded
from glueft.tables.plain_numbers import plain_number
from glueft.tables.problems import Problem, Problems, listed, malformed, shown

LARGEST_SCORE = 3.4028234663852886e38  # of float32, in which scores are kept
KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (dict, "an object"),
    (list, "a list"),
    (str, "text"),
    (bytes, "bytes"),
)

Read = TypeVar("Read")


class CellError(Exception):
    """A cell that does not say what it should; the four words of every error."""

    def __init__(self, message: str, expected: str, received: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.expected, self.received, self.fix = message, expected, received, fix


def read_cells(columns: Columns, column: str, read: Callable[[str, Any], Read]) -> list[Read]:
    """Read every cell of a column by `read(column, cell)`.

    Raises:
        DataError: `read` raised CellError; the first few such lines are named, and all are counted.
    """
    values: list[Read] = []
    problems = Problems()
    for number, cell in zip(columns.numbers, columns.cells[column], strict=True):
        try:
            values.append(read(column, cell))
        except CellError as error:
            problems.add(Problem(number, error.message, error.expected, error.received, error.fix))
    if problems:
        raise malformed(columns.path, problems, columns.unit)
    return values


def text(column: str, cell: Any) -> str:
    """A cell of a text column: any text that is more than white space, and not endless, kept as it is."""
    if not isinstance(cell, str) and cell is not None:
        raise CellError(f"{shown(column)} is not text", "text", _seen(cell), _as_text(cell))
    if cell is None or not cell or cell.isspace():
        raise CellError(
            f"no text in {shown(column)}",
            "a text that is more than white space",
            "null" if cell is None else shown(cell),
            "restore the text, or remove the row on purpose",
        )
    check_length(column, cell)
    return _unicode(column, cell)


def check_length(column: str, cell: str) -> None:
    """Raise CellError if a text is longer than a text can be."""
    if len(cell) > limits.LONGEST_TEXT:
        raise CellError(
            f"{shown(column)} is too long",
            f"a text of at most {limits.LONGEST_TEXT:,} characters",
            f"{len(cell):,} characters: {shown(cell)}",
            "cut the text: a model reads its first some hundred words; perhaps a quote is not closed",
        )


def label_name(column: str, cell: Any) -> str | None:
    """The label of a row by name, as it is written: "NA", "1" and "=1+1" are names. None where there is none."""
    if cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"  # as JSON writes them
    if isinstance(cell, (int, float, Decimal)):
        return str(cell)
    if not isinstance(cell, str):
        fix = _as_text(cell) if isinstance(cell, bytes) else "write the label's name"
        raise CellError(f"{shown(column)} is no label", "text or a number", _seen(cell), fix)
    if any(ord(character) < 32 or ord(character) == 127 for character in cell):
        raise CellError(
            f"the label in {shown(column)} holds a tab, a line break or the like",
            "a name on one line",
            shown(cell),
            "take the character out of the label; perhaps a quote around the text is missing",
        )
    return _unicode(column, cell)


def needed_label_name(column: str, cell: Any) -> str:
    """The label of a row that must have one."""
    name = label_name(column, cell)
    if name is None:
        raise CellError(
            f"no label in {shown(column)}",
            "a label in every row for training and validation",
            shown(cell) if isinstance(cell, str) else "null",
            "restore the label, or remove the row on purpose",
        )
    return name


def score(column: str, cell: Any) -> float:
    """The score of a row, a finite number that fits float32."""
    value = plain_number(str(cell)) if isinstance(cell, (str, int, float, Decimal)) else None
    if value is None or isinstance(cell, bool) or not abs(value) <= LARGEST_SCORE:
        raise CellError(
            f"{shown(column)} is not a finite number",
            "a number such as 3.8, at most 3.4e38 in size",
            "null" if cell is None else _seen(cell),
            "correct the number; without regression = true, the column may hold names of labels",
        )
    return value


def index_in(labels: Sequence[str]) -> Callable[[str, Any], int]:
    """What turns a label's name, or None, into its index among `labels`, or -1."""
    indices: dict[str | None, int] = {name: index for index, name in enumerate(labels)} | {None: -1}

    def index(column: str, name: str | None) -> int:
        if name in indices:
            return indices[name]
        assert name is not None
        near = nearest(name, labels)
        alike = next((label for label in labels if folded(label) == folded(name)), None)
        if alike is not None:
            fix = f"fold_labels = true in [task] takes it for {shown(alike)}; or correct the label"
        else:
            fix = "correct the label, or add it to labels in [task]"
        raise CellError(
            f"the label {shown(name)} in {shown(column)} is not one of the labels",
            f"one of {listed(labels)}",
            shown(name),
            f"did you mean {shown(near)}?  {fix.capitalize()}" if near and alike is None else fix,
        )

    return index


def _as_text(cell: Any) -> str:
    if isinstance(cell, bytes):
        return 'write the column as text, not as bytes; in pandas: frame["text"].str.decode("utf-8")'
    return "write it as text, in quotes in JSON"


def _seen(cell: Any) -> str:
    kind = next((words for kind, words in KINDS if isinstance(cell, kind)), type(cell).__name__)
    return f"{shown(str(cell))} ({kind})"


def _unicode(column: str, cell: str) -> str:
    """JSON's escapes can write halves of characters that no text may hold."""
    if not cell.isascii():
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError as error:
            raise CellError(
                f"{shown(column)} holds half a character",
                "text in Unicode",
                f"\\u{ord(cell[error.start]):04x} without its other half, as character {error.start + 1}",
                "write the text again from its source; it was cut within a character",
            ) from None
    return cell
