"""Cells of multi-label tasks: the labels of a row as a list or joined in a text, or as a column of 0 and 1 each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from glueft.errors import DataError
from glueft.tables.cells import CellError, label_name, seen
from glueft.tables.columns import Columns, read_cells
from glueft.tables.problems import listed, shown

# What else stands between names.
OTHER_SEPARATORS = (",", ";", "|", "\t")
# What a column of 0 and 1 may hold, in lower case; Parquet files of pandas have 0.0 and 1.0.
_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def listing(separator: str) -> Callable[[str, Any], list[Any] | None]:
    """Return what reads the labels of a cell as they are written; None where it does not tell them.

    Args:
        separator: stands between the labels of a text that is no JSON list.
    """

    def labels(where: str, cell: Any) -> list[Any] | None:
        if cell is None or isinstance(cell, list):
            return cell
        if not isinstance(cell, str):
            raise CellError(
                f"{where} is no list of labels",
                'a list such as ["a", "b"], [] for a row with none of the labels',
                seen(cell),
                "write a list; for one label a row leave multi_label out",
            )
        if not cell.strip():
            return []
        if not cell.lstrip().startswith("["):
            return [part.strip() for part in cell.split(separator)]
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise CellError(
                f"{where} holds a list that is not JSON",
                f'a JSON list such as ["a", "b"], or names with "{separator}" between them',
                shown(cell),
                'write it as JSON; in pandas: frame["tags"].map(json.dumps)',
            ) from error
        assert isinstance(found, list)
        return found

    return labels


def check_separator(file: Columns, column: str, separator: str) -> None:
    """Refuse names of labels that another separator seems to join: `a,b`, where `a` and `b` are labels too.

    Args:
        file: the training rows, whose labels are not given.
        column: of the labels.
        separator: stands between the labels of a text that is no JSON list.

    Raises:
        DataError: most names with another usual separator in them have parts that are all met without them.
    """
    cells = [cell if isinstance(cell, str) and not cell.lstrip().startswith("[") else "" for cell in file.cells[column]]
    names = dict.fromkeys(part.strip() for cell in cells for part in cell.split(separator))
    for other in OTHER_SEPARATORS:
        parts = {name: [part.strip() for part in name.split(other)] for name in names}
        met = Counter(part for of_name in parts.values() for part in set(of_name))
        joined = [name for name, of_name in parts.items() if len(of_name) > 1 and separator != other]
        apart = [name for name in joined if all(part and met[part] > 1 for part in parts[name])]
        if len(apart) <= len(joined) / 2:
            continue
        first, mark = apart[0], "\\t" if other == "\t" else other
        line = file.numbers[next(place for place, cell in enumerate(cells) if first in cell)]
        told = [part for part in parts[first] if part in names] or parts[first]
        raise DataError(
            f"the labels in {shown(column)} of {file.path} seem to have {shown(other)} between them",
            expected=f"{shown(separator)} between the labels of a row"
            + (", which label_separator is by default" if separator == ";" else ", as label_separator says"),
            received=f"{shown(first)} in {file.unit} {line} as one label, where {listed(told)} "
            + ("is met elsewhere" if len(told) == 1 else "are met elsewhere"),
            fix=f'set label_separator = "{mark}"; if such names are meant, give all labels in [task]: '
            f"labels = [{listed([name for name in names if name])}]",
        )


def needed_list(where: str, labels: list[Any] | None) -> list[Any]:
    """Refuse a row that does not tell its labels."""
    if labels is None:
        raise CellError(
            f"no labels in {where}",
            "a list in every row for training and validation, [] for a row with none of the labels",
            "null",
            "restore the labels, or remove the row on purpose",
        )
    return labels


def named(where: str, cell: Any) -> str:
    """Read the name of one of a row's labels."""
    if isinstance(cell, list):
        fix = "write the label's name: a row has one list of names"
        raise CellError(f"{where} is no label", "text or a number", seen(cell), fix)
    name = label_name(where, cell)
    if name is None:
        raise CellError(
            f"an empty label in {where}",
            "the name of a label between the separators, or in the quotes of a list",
            "null" if cell is None else shown(str(cell)),
            "remove it; a row with none of the labels has an empty list",
        )
    return name


def each(read: Callable[[str, Any], Any]) -> Callable[[str, list[Any] | None], list[Any] | None]:
    """Return what reads every label of a row by `read`, and leaves a row alone that does not tell its labels."""
    return lambda where, labels: None if labels is None else [read(where, label) for label in labels]


def flags_of(split: str, file: Columns, columns: Sequence[str]) -> list[list[int] | None]:
    """Return the indices of each row's labels from a column of 0 and 1 for each label.

    None for a row of a test file that does not tell its labels: its cells are empty, or -1.

    Raises:
        DataError: the file lacks some of the columns, or a cell is neither 0 nor 1.
    """
    if split == "test":
        there = [column for column in columns if column in file.cells]
        if not there:
            return [None] * len(file.numbers)
        if len(there) < len(columns):
            lacking = [column for column in columns if column not in there]
            raise DataError(
                f"{file.path} has some of the label columns, and others not",
                expected=f"all of {listed(columns)}, or none of them",
                received=f"no {listed(lacking)}",
                fix="add the columns, or leave all of them out: rows of a test file need no labels",
            )
    hidden = [
        split == "test" and all(_is_hidden(file.cells[column][row]) for column in columns)
        for row in range(len(file.numbers))
    ]
    read = {
        column: read_cells(
            file,
            column,
            flag,
            [0 if without else cell for cell, without in zip(file.cells[column], hidden, strict=True)],
        )
        for column in columns
    }
    rows = zip(*(read[column] for column in columns), strict=True)
    return [
        None if without else [index for index, has in enumerate(flags) if has]
        for flags, without in zip(rows, hidden, strict=True)
    ]


def flag(where: str, cell: Any) -> int:
    """Read 0 or 1, or false or true."""
    found = None if cell is None else _FLAGS.get(str(cell).strip().lower())
    if found is None:
        raise CellError(
            f"{where} holds neither 0 nor 1",
            "0 or 1, or false or true, in each column of label_columns",
            "null" if cell is None else seen(cell),
            "correct the cell; a column that holds the names of labels is named by label",
        )
    return found


def _is_hidden(cell: Any) -> bool:
    return cell is None or str(cell).strip() in ("", "-1", "-1.0", "nan")
