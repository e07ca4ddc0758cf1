"""The names of the labels where nobody gave them: those of the training rows, sorted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from glueft.data.lines import listed, shown
from glueft.data.plain_numbers import plain_number
from glueft.data.table_columns import Columns
from glueft.errors import DataError

# Labels that are most of them of one row only are no classes. A few rows to try things out may have such ones.
FEW = 20


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """The different names: in the order of their numbers where all are numbers, else in that of their characters."""
    different = sorted(set(names))
    numbers = {name: plain_number(name) for name in different}
    if any(number is None for number in numbers.values()):
        return tuple(different)
    return tuple(sorted(different, key=lambda name: numbers[name] or 0.0))


def found_names(train: Columns, column: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of the labels in the training rows.

    Args:
        train: the file.
        column: its label column.
        names: of each row.

    Raises:
        DataError: there is one label only, or nearly every row has its own.
    """
    found = sorted_names(names)
    if len(found) == 1:
        raise DataError(
            f"{train.path} has one label only",
            expected=f"two labels or more in {shown(column)}",
            received=f"{shown(found[0])} in every row",
            mend="add rows with other labels, or name another label column",
        )
    if len(found) > FEW and len(found) > len(names) / 2:
        scores = all(plain_number(name) is not None for name in found)
        raise DataError(
            f"the column {shown(column)} of {train.path} hardly holds labels",
            expected="a few labels, each in many rows",
            received=f"{len(found):,} different ones in {len(names):,} rows: {listed(found)}",
            mend="add regression = true if these are scores; else name another label column"
            if scores
            else "name another label column",
        )
    return found


def check_same_names(train: Columns, validation: Columns, column: str, names: Collection[str], of: list[str]) -> None:
    """Check that the validation rows hold the labels of the training rows: all of them, and no others.

    Args:
        train: the training file.
        validation: the validation file.
        column: the label column of both.
        names: the labels of the training rows.
        of: the label of each validation row.

    Raises:
        DataError: they do not; it names the labels that only one of them has.
    """
    here = set(of)
    lacking = sorted_names(set(names) - here)
    others = sorted_names(here - set(names))
    if not lacking and not others:
        return
    received = [f"only in {train.path.name}: {listed(lacking)}"] if lacking else []
    if others:
        line = validation.numbers[of.index(others[0])]
        received.append(f"only in {validation.path.name}: {listed(others)} (from {validation.unit} {line})")
    raise DataError(
        f"{validation.path} does not have the labels of {train.path}",
        expected=f"the same labels in {shown(column)} of both: {listed(sorted_names(names))}",
        received="; ".join(received),
        mend="correct the labels; if they are meant so, give all of them in [task]: "
        f"labels = [{listed(sorted_names({*names, *here}))}]",
    )
