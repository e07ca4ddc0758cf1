"""Readers of a cell: a text, the name of a label, a score. `where` is what messages call its column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.label_forms import folded
from glueft.tables.plain_numbers import plain_number
from glueft.tables.problems import Problem, listed, shown

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


class CellError(Exception):
    """A cell that does not hold what it should."""

    def __init__(self, message: str, expected: str, received: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix
        self._parts = message, expected, received, fix

    def at(self, line: int) -> Problem:
        return Problem(line, *self._parts)


def missing_key(column: str, row: Mapping[str, Any]) -> CellError:
    return CellError(
        f"no key {shown(column)}",
        f"{shown(column)} in every object",
        f"the keys {listed(list(row))}" if row else "an empty object",
        "add what is missing, or remove the row on purpose",
    )


def text(where: str, cell: Any) -> str:
    """Read a text as it is: more than white space, and not too long."""
    if not isinstance(cell, str) and cell is not None:
        raise CellError(f"{where} is not text", "text", seen(cell), _as_text(cell))
    if cell is None or not cell or cell.isspace():
        raise CellError(
            f"no text in {where}",
            "a text that is more than white space",
            "null" if cell is None else shown(cell),
            "restore the text, or remove the row on purpose",
        )
    if len(cell) > limits.LONGEST_TEXT:
        raise CellError(
            f"{where} is too long",
            f"a text of at most {limits.LONGEST_TEXT:,} characters",
            f"{len(cell):,} characters: {shown(cell)}",
            "cut the text: a model reads its first some hundred words; perhaps a quote is not closed",
        )
    return _unicode(where, cell)


def label_name(where: str, cell: Any) -> str | None:
    """Read the name of a label as it is written ("NA", "1" and "=1+1" are names); None where there is none."""
    if cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"  # as JSON writes them
    if isinstance(cell, (int, float, Decimal)):
        return str(cell)
    if not isinstance(cell, str):
        fix = _as_text(cell) if isinstance(cell, bytes) else "write the label's name"
        if isinstance(cell, list):
            fix += "; where each row has a list of any number of them: multi_label = true in [task]"
        raise CellError(f"{where} is no label", "text or a number", seen(cell), fix)
    if any(ord(character) < 32 or ord(character) == 127 for character in cell):
        raise CellError(
            f"the label in {where} holds a tab, a line break or the like",
            "a name on one line",
            shown(cell),
            "take the character out of the label; perhaps a quote around the text is missing",
        )
    return _unicode(where, cell)


def needed_label_name(where: str, cell: Any) -> str:
    """Read the name of a label that must be there."""
    name = label_name(where, cell)
    if name is None:
        raise CellError(
            f"no label in {where}",
            "a label in every row for training and validation",
            shown(cell) if isinstance(cell, str) else "null",
            "restore the label, or remove the row on purpose",
        )
    return name


def score(where: str, cell: Any) -> float:
    """Read a finite number that fits float32."""
    value = plain_number(str(cell)) if isinstance(cell, (str, int, float, Decimal)) else None
    if value is None or isinstance(cell, bool) or not abs(value) <= LARGEST_SCORE:
        raise CellError(
            f"{where} is not a finite number",
            "a number such as 3.8, at most 3.4e38 in size",
            "null" if cell is None else seen(cell),
            "correct the number; without regression = true, the column may hold names of labels",
        )
    return value


def index_in(labels: Sequence[str]) -> Callable[[str, Any], int]:
    """Return what reads the index of a label among `labels`, or -1 for None."""
    indices: dict[str | None, int] = {name: index for index, name in enumerate(labels)} | {None: -1}

    def index(where: str, name: str | None) -> int:
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
            f"the label {shown(name)} in {where} is not one of the labels",
            f"one of {listed(labels)}",
            shown(name),
            f"did you mean {shown(near)}?  {fix.capitalize()}" if near and alike is None else fix,
        )

    return index


def _as_text(cell: Any) -> str:
    if isinstance(cell, bytes):
        return 'write the column as text, not as bytes; in pandas: frame["text"].str.decode("utf-8")'
    return "write it as text, in quotes in JSON"


def seen(cell: Any) -> str:
    """Quote a cell and say what it is, for messages."""
    kind = next((words for kind, words in KINDS if isinstance(cell, kind)), type(cell).__name__)
    return f"{shown(str(cell))} ({kind})"


def _unicode(where: str, cell: str) -> str:
    """Refuse half a character, which JSON's escapes can write and no text may hold."""
    if not cell.isascii():
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError as error:
            raise CellError(
                f"{where} holds half a character",
                "text in Unicode",
                f"\\u{ord(cell[error.start]):04x} without its other half, as character {error.start + 1}",
                "write the text again from its source; it was cut within a character",
            ) from None
    return cell
