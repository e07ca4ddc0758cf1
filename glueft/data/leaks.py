"""Leaks: rows of the evaluated and predicted splits whose texts are those of a training row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glueft.errors import DataError
from glueft.text import counted

NAMED = 5

Texts = tuple[Sequence[str], ...]  # for each of the task's inputs, one text a row


@dataclass(frozen=True)
class Leaks:
    """The rows of a split that stand among the training rows, whatever their labels.

    A pair counts where both its texts are those of one training row, in the same order.

    Attributes:
        split: its name.
        of: the rows of the split.
        texts: of a row.
        rows: the positions of the leaks, ascending, from 0.
        exact: how many have the same texts to the letter; those of the others differ in case or white space.
    """

    split: str
    of: int
    texts: int
    rows: tuple[int, ...]
    exact: int

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        """Return `3 of the 408 validation rows (0.7%) have the text of a training row (all exactly; rows 1, 5, 7)`."""
        other = len(self) - self.exact
        how = f"{self.exact:,} exactly, {other:,} but for case and white space" if other else "all exactly"
        have = f"{'has' if len(self) == 1 else 'have'} the {'text' if self.texts == 1 else 'texts'} of a training row"
        if self.of == 1:
            return f"the only {self.split} row {have} ({'exactly' if self.exact else 'but for case and white space'})"
        whole = counted(self.of, f"{self.split} row")
        return f"{len(self):,} of the {whole} ({len(self) / self.of:.1%}) {have} ({how}; {numbered(self.rows)})"


def find_leaks(texts: Mapping[str, Texts], keys: Mapping[str, Sequence[int]]) -> tuple[dict[str, Leaks], list[int]]:
    """Return the leaks of each split but "train", and the positions of the training rows that they are of.

    Args:
        texts: of each split.
        keys: of each split, one a row, equal where the texts are equal but for case and white space.
    """
    trained, leaked = set(keys["train"]), set[int]()
    found = {name: [at for at, key in enumerate(keys[name]) if key in trained] for name in texts if name != "train"}
    for name, rows in found.items():
        leaked.update(keys[name][at] for at in rows)
    places = [at for at, key in enumerate(keys["train"]) if key in leaked] if leaked else []
    there = {tuple(column[at] for column in texts["train"]) for at in places}
    return {
        name: Leaks(
            name,
            len(keys[name]),
            len(texts[name]),
            tuple(rows),
            sum(tuple(column[at] for column in texts[name]) in there for at in rows),
        )
        for name, rows in found.items()
    }, places


def refused(found: Mapping[str, Leaks]) -> DataError:
    return DataError(
        'rows that the model is measured on stand among the training rows, and data.leaks = "error"',
        expected="no text of another split in the train split, exactly or but for case and white space",
        received="; ".join(str(leaks) for leaks in found.values() if leaks) + " (counted from 0)",
        fix='take them out of the training rows with data.leaks = "drop", or correct the files; "warn" trains anyway',
    )


def none_left(rows: int) -> DataError:
    return DataError(
        'data.leaks = "drop" leaves no training row',
        expected="a training row or more whose text stands in no other split",
        received=f"{counted(rows, 'training row')}, all of which stand in another split too",
        fix="check whether the train file is that of another split",
    )


def numbered(rows: Sequence[int]) -> str:
    """`row 3`, `rows 3, 17, 40, ...`, counted from 0."""
    shown = ", ".join(map(str, rows[:NAMED])) + (", ..." if len(rows) > NAMED else "")
    return ("rows " if len(rows) > 1 else "row ") + shown
