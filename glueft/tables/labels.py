"""The labels of tables: the name of a cell's label, and the labels themselves where none are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from glueft.errors import DataError
from glueft.tables.cells import CellError, label_name
from glueft.tables.columns import Columns
from glueft.tables.label_forms import folded, look_alikes
from glueft.tables.plain_numbers import plain_number
from glueft.tables.problems import listed, shown

# With more labels than this, most of them in a single row, a column does not hold labels.
FEW = 20


def namer(
    file: Columns, column: str, label_names: Mapping[str, str] | None, labels: Sequence[str]
) -> Callable[[str, Any], Any]:
    """Return what names codes of classes as the file does, unless labels or `label_names` are themselves codes."""
    classes = file.classes.get(column, ())
    codes = {str(code) for code in range(len(classes))}
    codes_given = {*(label_names or {})} - {*classes} if label_names else {*labels} - {*classes}
    if not classes or (codes_given and codes_given <= codes):
        return lambda where, cell: cell

    def name(where: str, cell: Any) -> str | None:
        if cell is None or cell == -1:
            return None  # So the `datasets` library writes a row without a label.
        if isinstance(cell, list):
            return label_name(where, cell)  # which refuses it
        if 0 <= cell < len(classes):
            return str(classes[cell])
        raise CellError(
            f"the code {cell} in {where} has no name",
            f"a code from 0 to {len(classes) - 1}, as the file's own ClassLabel has names: {listed(classes)}",
            str(cell),
            "correct the code, or write the file again with its names",
        )

    return name


def renamer(label_names: Mapping[str, str], *, fold: bool) -> Callable[[str, Any], str | None]:
    """Return what gives a label its name in `label_names`. Numbers are compared as such: 1 and 1.0 are one."""
    plain = folded if fold else _plain
    names = {plain(name): name for name in label_names.values()}
    names |= {plain(code): name for code, name in label_names.items()}
    alike = {folded(name) for name in names}

    def rename(where: str, name: str | None) -> str | None:
        if name is None:
            return None
        if plain(name) in names:
            return names[plain(name)]
        raise CellError(
            f"the label {shown(name)} in {where} has no name",
            f"one of {listed(list(label_names))}, as label_names says",
            shown(name),
            (look_alikes([name, *label_names, *label_names.values()]) if folded(name) in alike else "")
            + "correct the label, or give its name in label_names",
        )

    return rename


def _plain(name: str) -> str:
    number = plain_number(name)
    return name if number is None else repr(number)


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the different names, as numbers in their order if all are numbers, else by character."""
    different = sorted(set(names))
    numbers = {name: plain_number(name) for name in different}
    if any(number is None for number in numbers.values()):
        return tuple(different)
    return tuple(sorted(different, key=lambda name: numbers[name] or 0.0))


def found_names(train: Columns, column: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the labels in the training rows; `names` has those of each row.

    Raises:
        DataError: there is one label only, or none, or nearly every row has its own.
    """
    found = sorted_names(names)
    if len(found) < 2:
        everywhere = f"{shown(found[0])} in every row" if len(names) == len(train.numbers) else f"{listed(found)} alone"
        raise DataError(
            f"{train.path} has {'one label only' if found else 'no label in any row'}",
            expected=f"two labels or more in {shown(column)}",
            received=everywhere if found else f"{len(train.numbers):,} rows with none",
            fix="add rows with other labels, or name another label column",
        )
    if len(found) > FEW and len(found) > len(names) / 2:
        scores = all(plain_number(name) is not None for name in found)
        raise DataError(
            f"the column {shown(column)} of {train.path} hardly holds labels",
            expected="a few labels, each in many rows",
            received=f"{len(found):,} different ones in {len(names):,} rows: {listed(found)}",
            fix="add regression = true if these are scores; else name another label column"
            if scores
            else "name another label column",
        )
    return found


def check_same_names(
    train: Columns,
    validation: Columns,
    column: str,
    names: Collection[str],
    of: Sequence[str | list[str] | None],
    *,
    all_there: bool = True,
) -> None:
    """Raise DataError unless the labels of the validation rows are all `names` and no others.

    Args:
        train, validation: the files.
        column: of the labels.
        names: of the labels of the training rows.
        of: that of each validation row, or those of each.
        all_there: whether the validation rows must have all of `names`.
    """
    rows = [[row] if isinstance(row, str) else row or [] for row in of]
    here = {name for row in rows for name in row}
    fold = {folded(name) for name in names} == {folded(name) for name in here}
    lacking = sorted_names(set(names) - here) if all_there else ()
    others = sorted_names(here - set(names))
    if not lacking and not others:
        return
    received = [f"only in {train.path.name}: {listed(lacking)}"] if lacking else []
    if others:
        line = validation.numbers[next(place for place, row in enumerate(rows) if others[0] in row)]
        received.append(f"only in {validation.path.name}: {listed(others)} (from {validation.unit} {line})")
    raise DataError(
        f"{validation.path} does not have the labels of {train.path}",
        expected=f"{'the same' if all_there else 'no other'} labels in {shown(column)} of both: "
        + listed(sorted_names(names)),
        received="; ".join(received),
        fix=(look_alikes([*names, *here]) if fold else "")
        + "correct the labels; if they are meant so, give all of them in [task]: "
        f"labels = [{listed(sorted_names({*names, *here}))}]",
    )
