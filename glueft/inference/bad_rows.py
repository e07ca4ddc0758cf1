"""What becomes of rows that cannot be predicted: an error that names the first of them, or a side file with reasons."""

from __future__ import annotations

from typing import IO, Any

from glueft.errors import DataError
from glueft.inference.chunks import BadRow
from glueft.inference.writers import plain_json
from glueft.tables.problems import PROBLEMS_SHOWN, Problem

SKIP = "or leave such rows out with --skip-bad"


class BadRows:
    """The bad rows of a file: all are counted, the first few kept.

    Attributes:
        count: how many there are.
        first: the first few.
        last: the number of the last one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Problem] = []
        self.last = 0

    def add(self, rows: list[BadRow]) -> None:
        """Count rows."""
        self.count += len(rows)
        self.first += [row.problem for row in rows[: PROBLEMS_SHOWN - len(self.first)]]
        if rows:
            self.last = rows[-1].problem.line

    def error(self, name: str, unit: str, *, skippable: bool = True) -> DataError:
        """Return the error that names the first few of one or more rows, and says how many there are."""
        first = self.first[0]
        skip = f"; {SKIP}" if skippable else ""
        if self.count == 1:
            return DataError(
                f"{name}, {unit} {first.line}: {first.message}",
                expected=first.expected,
                received=first.received,
                fix=first.fix + skip,
            )
        received = [f"{unit} {problem.line}: {problem.message}; {problem.received}" for problem in self.first]
        if self.count > len(self.first):
            received.append(f"... and {self.count - len(self.first):,} more, the last in {unit} {self.last}")
        return DataError(
            f"{name}, {unit} {first.line}: {first.message}; {self.count:,} rows that cannot be predicted in all",
            expected="; ".join(dict.fromkeys(problem.expected for problem in self.first)),
            received="".join(f"\n    {line}" for line in received),
            fix="; ".join(dict.fromkeys(problem.fix for problem in self.first)) + skip,
        )


def write_bad_row(file: IO[bytes], row: BadRow, unit: str) -> None:
    """Write a line of JSON: where the row begins, the reason, what was received instead, and the row."""
    problem = row.problem
    entry: dict[str, Any] = {
        unit: problem.line,
        "reason": problem.message,
        "expected": problem.expected,
        "received": problem.received,
        "row": row.content,
    }
    file.write(plain_json(entry).encode("utf-8") + b"\n")
