"""Rows swallowed by a quote: a cell over several lines that look like rows of their own.

Where quotes are text, one that begins a text opens a cell that ends where a later text happens to end with one. But a
cell that is quoted on purpose may hold line breaks too. It is a swallowed row if its lines, read without quotes, are as
wide as the table and have cells like those of the other rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glueft.tables.plain_numbers import plain_number

ENOUGH = 3  # cells, to tell how a column looks

# Labels and the like are a few short values that repeat.
FEW_VALUES = 20
SHORT = 50


def spans_lines(fields: Iterable[str]) -> bool:
    return any("\n" in field for field in fields)


def rows_within(fields: Sequence[str], delimiter: str) -> list[list[str]]:
    """Split a row with line breaks in its cells into the rows that it is without quotes; empty lines are left out."""
    rows: list[list[str]] = [[]]
    for field in fields:
        first, *others = field.split("\n")
        if not others:
            rows[-1].append(field)
            continue
        rows[-1] += first.removesuffix("\r").split(delimiter)
        rows += [line.removesuffix("\r").split(delimiter) for line in others]
    return [row for row in rows if row != [""]]


def as_wide(fields: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether the first and the last line of a row have as many fields as the table, which has two columns or more.

    This cheap test settles most rows with line breaks.
    """
    if width < 2:
        return False
    over_lines = [column for column, field in enumerate(fields) if "\n" in field]
    first, last = over_lines[0], over_lines[-1]
    opens = first + 1 + fields[first].partition("\n")[0].count(delimiter)
    closes = len(fields) - last + fields[last].rpartition("\n")[2].count(delimiter)
    return opens == closes == width


def all_as_wide(fields: Sequence[str], delimiter: str) -> bool:
    """Whether a header with line breaks holds rows: several, all with the same number of fields."""
    widths = [len(row) for row in rows_within(fields, delimiter)]
    return len(widths) > 1 and min(widths) == max(widths) > 1


class ColumnLooks:
    """How the columns of a file look, which tells a row from a line of prose."""

    def __init__(self, width: int, delimiter: str) -> None:
        self.delimiter = delimiter
        self.columns = [_Look() for _ in range(width)]
        self.on_purpose = False  # some quotes must be there, or their rows were too wide

    def add(self, row: Sequence[str]) -> None:
        over_lines = spans_lines(row)
        if over_lines and as_wide(row, self.delimiter, len(row)):
            return
        for look, cell in zip(self.columns, row, strict=True):
            if "\n" not in cell:
                look.add(cell)
            self.on_purpose = self.on_purpose or over_lines or self.delimiter in cell

    def swallowed(self, row: Sequence[str]) -> bool:
        """Whether a row with line breaks in its cells holds rows of the file.

        The first and the last line must look like rows, and at least half of those between, as one may have a comma too
        many. If some between do, the first and last may have labels that no other row has.
        """
        rows = rows_within(row, self.delimiter)
        texts = [column for column, field in enumerate(row) if "\n" in field]
        between = [self._like_a_row(line, texts) for line in rows[1:-1]]
        return (
            len(rows) > 1
            and 2 * sum(between) >= len(between)
            and all(self._like_a_row(line, texts, new=any(between)) for line in (rows[0], rows[-1]))
        )

    def _like_a_row(self, row: Sequence[str], texts: Sequence[int], *, new: bool = False) -> bool:
        if len(row) != len(self.columns):
            return False
        # No prose has so many tabs, or commas, in each of its lines; but a letter begins with "Dear all," and a break.
        telling = self.delimiter == "\t" or len(row) > 3
        for column, (look, cell) in enumerate(zip(self.columns, row, strict=True)):
            text = column in texts
            if not text and self.on_purpose and not look.known:
                return False  # Some quotes are certainly meant, and too few rows say otherwise.
            if text:
                alike = look.like_a_text(cell, blank=telling)
            else:
                alike = look.like(cell, blank=telling, new=new, meant=self.on_purpose)
            if not alike:
                return False
        return True


class _Look:
    """What the cells of a column have in common, outer spaces and blank cells left out."""

    def __init__(self) -> None:
        self.count = 0
        self.blank = False
        self.padded = False  # some begin with a space
        self.spaces = False  # some hold a space between words
        self.numbers = True  # all are numbers
        self.words = True  # none is a number
        self.longest = 0
        self.values: set[str] | None = set()  # None where they are many, or long

    def add(self, value: str) -> None:
        cell = value.strip()
        if not cell:
            self.blank = True
            return
        self.count += 1
        self.padded = self.padded or value[0] == " "
        self.spaces = self.spaces or _has_spaces(cell)
        self.longest = max(self.longest, len(cell))
        if self.numbers or self.words:
            number = plain_number(cell) is not None
            self.numbers &= number
            self.words &= not number
        if self.values is not None:
            self.values.add(cell)
            if len(self.values) > FEW_VALUES or self.longest > SHORT:
                self.values = None

    @property
    def known(self) -> bool:
        return self.count >= ENOUGH

    def like_a_text(self, value: str, *, blank: bool) -> bool:
        """Whether a value may be a text of the column; `blank` says whether a blank one may."""
        if not value.strip():
            return blank and self.blank
        return value[0] != " " or self.padded  # Else it is what follows the comma of a sentence.

    def like(self, value: str, *, blank: bool, new: bool, meant: bool) -> bool:
        """Whether a value looks like those of the column; see `like_a_text`.

        `new` permits one more value where values repeat. Where some quotes of the file are `meant`, a name must have
        been seen.
        """
        cell = value.strip()
        if not cell or not self.known or not self.like_a_text(value, blank=blank):
            return self.like_a_text(value, blank=blank)
        if not new and self.values is not None:
            names = meant and self.words and not self.spaces
            if names or self.count >= max(8, 3 * len(self.values)):
                return cell in self.values
        if self.spaces:
            return True
        number = plain_number(cell) is not None
        return (
            not (self.numbers and not number)
            and not (self.words and number)
            and not _has_spaces(cell)
            and len(cell) <= 3 * self.longest + 10
        )


def _has_spaces(cell: str) -> bool:
    return " " in cell or any(map(str.isspace, cell))
