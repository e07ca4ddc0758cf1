"""The choice of validation rows among the training rows: stratified by label, and the same for a seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from glueft.errors import DataError
from glueft.tables.columns import Columns
from glueft.tables.label_forms import folded, look_alikes
from glueft.tables.problems import listed, shown
from glueft.tables.strata import strata_of


def split_rows(train: Columns, fraction: float, seed: int, names: Sequence[str] | None) -> tuple[list[int], list[int]]:
    """Return the positions of the training and of the validation rows, each in the order of the file.

    Args:
        train: the training file.
        fraction: of its rows that go to validation, rounded up.
        seed: of scikit-learn's `train_test_split`.
        names: the label of each row; each split gets its share of them to within one row. None in regression.

    Raises:
        DataError: there are too few rows: of a label, or for one of the splits.
    """
    from sklearn.model_selection import train_test_split

    rows = len(train.numbers)
    counts = Counter(names or ())
    _check_counts(train, names or (), counts)
    _check_sizes(train, fraction, rows, counts)
    taken, held = train_test_split(range(rows), test_size=fraction, random_state=seed, stratify=names)
    if names is not None:
        lost = sorted(counts.keys() - {names[row] for row in taken})
        if lost:
            raise DataError(
                f"{train.path} keeps no row of the label {shown(lost[0])} for training",
                expected="a training row of each label",
                received=f"validation_fraction = {fraction} of {counts[lost[0]]} rows of it",
                fix="lower validation_fraction, or add rows of this label",
            )
    return sorted(taken), sorted(held)


def split_label_sets(
    train: Columns, fraction: float, seed: int, sets: Sequence[Sequence[int]], labels: int
) -> tuple[list[int], list[int]]:
    """Return the same of a multi-label task, stratified by set of labels; each label keeps a training row if it can.

    Args:
        train, fraction, seed: as in `split_rows`.
        sets: the indices of each row's labels.
        labels: how many there are.

    Raises:
        DataError: there are too few rows for one of the splits.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    _check_sizes(train, fraction, len(sets), Counter())
    has = np.zeros((len(sets), labels), np.int32)
    for row, indices in enumerate(sets):
        has[row, [*indices]] = 1
    # With so many rows each stratum has its share in both splits, as scikit-learn demands.
    strata = strata_of(has, max(2, math.ceil(1 / min(fraction, 1 - fraction))))
    taken, held = train_test_split(
        range(len(sets)), test_size=fraction, random_state=seed, stratify=strata if strata.any() else None
    )
    for label in range(labels):
        if len(held) > 1 and not has[taken, label].any() and has[held, label].any():
            first = next(row for row in sorted(held) if has[row, label])
            held.remove(first)
            taken.append(first)
    return sorted(taken), sorted(held)


def _check_counts(train: Columns, names: Sequence[str], counts: Counter[str]) -> None:
    single = sorted(name for name, count in counts.items() if count == 1)
    if single:
        first = train.numbers[names.index(single[0])]
        others = f"; the same of {listed(single[1:])}" if len(single) > 1 else ""
        raise DataError(
            f"{train.path} has a single row of the label {shown(single[0])}",
            expected="two rows or more of each label, so that training and validation have one",
            received=f"{train.unit} {first} alone{others}",
            fix=look_alikes(name for name in counts if folded(name) == folded(single[0]))
            + "add rows of this label, correct it, or give validation rows in a file: validation = ...",
        )


def _check_sizes(train: Columns, fraction: float, rows: int, counts: Counter[str]) -> None:
    least = max(1, len(counts))
    held = math.ceil(rows * fraction)
    if held >= least and rows - held >= least:
        return
    what = "validation" if held < least else "training"
    wanted = "a row" if least == 1 else f"{least} rows, one a label"
    raise DataError(
        f"{train.path} is too small for validation_fraction = {fraction}",
        expected=f"{wanted}, for {what}",
        received=f"{held if held < least else rows - held:,} of {rows:,} rows",
        fix=look_alikes(counts)
        + (
            f"{'raise' if held < least else 'lower'} validation_fraction"
            if rows >= 2 * least
            else "add rows, or give validation rows in a file: validation = ..."
        ),
    )
