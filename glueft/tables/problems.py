"""Malformed rows as data, and the one error that reports those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import DataError

PROBLEMS_SHOWN = 5
NAMES_SHOWN = 12
TEXT_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line, or one row in a file without lines; counted from 1."""

    line: int
    message: str
    expected: str
    received: str
    fix: str


class Problems:
    """The problems of a file in its order: all are counted, the first few and the last one kept."""

    def __init__(self, *problems: Problem) -> None:
        self.count = 0
        self.first: list[Problem] = []
        self.last = Problem(0, "", "", "", "")
        for problem in problems:
            self.add(problem)

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, problem: Problem) -> None:
        self.count += 1
        self.last = problem
        if self.count <= PROBLEMS_SHOWN:
            self.first.append(problem)

    def error(self, name: Path | str, unit: str = "line", *, what: str = "problems", hint: str = "") -> DataError:
        """Return one error for all of them: the first few in full, then how many there are.

        Args:
            name: of the file; unit: what the numbers count; what: the problems, in words.
            hint: put behind the fix.
        """
        first = self.first[0]
        where = f"{name}, {unit} {first.line}: {first.message}"
        if self.count == 1:
            return DataError(where, expected=first.expected, received=first.received, fix=first.fix + hint)
        received = [f"{unit} {problem.line}: {problem.message}; {problem.received}" for problem in self.first]
        if self.count > len(self.first):
            received.append(f"... and {self.count - len(self.first):,} more, the last in {unit} {self.last.line}")
        return DataError(
            f"{where}; {self.count:,} {what} in all",
            expected="; ".join(dict.fromkeys(problem.expected for problem in self.first)),
            received="".join(f"\n    {line}" for line in received),
            fix="; ".join(dict.fromkeys(problem.fix for problem in self.first)) + hint,
        )


def listed(names: Sequence[str]) -> str:
    """Quote names; of many the first."""
    few = ", ".join(shown(name) for name in names[:NAMES_SHOWN])
    return f"{few} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else few


def shown(text: str) -> str:
    """Quote a text, with control characters written out, cut to a length that fits a line."""
    cut = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "..."
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut) + '"'
