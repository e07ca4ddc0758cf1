"""The lines of a text file, and how malformed ones are reported: by number, a few in full, and how many in all."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables import limits

PROBLEMS_SHOWN = 5
NAMES_SHOWN = 12
TEXT_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line."""

    line: int
    message: str
    expected: str
    received: str
    fix: str


class Problems:
    """The problems of a file: all are counted, the first few and the last one kept, however many lines are wrong.

    Attributes:
        count: how many there are.
        first: the first few.
        last: the last one; that of no line before there is any.
    """

    def __init__(self, *problems: Problem) -> None:
        self.count = 0
        self.first: list[Problem] = []
        self.last = Problem(0, "", "", "", "")
        for problem in problems:
            self.add(problem)

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, problem: Problem) -> None:
        """Count a problem that comes behind the others in the file."""
        self.count += 1
        self.last = problem
        if self.count <= PROBLEMS_SHOWN:
            self.first.append(problem)


def read_lines(path: Path, *, carriage_returns: bool = False) -> list[str]:
    """Read a UTF-8 file, with or without a byte order mark, and return its lines without their ends.

    Only a line feed ends a line, with or without a carriage return before it: U+2028, vertical tabs and the like are
    text. The last line may end with a line feed or without one.

    Args:
        path: the file.
        carriage_returns: let a carriage return alone end a line too, where it is an error otherwise.

    Raises:
        DataError: the file cannot be read, is empty, or has lines that are not text.
    """
    try:
        refuse_irregular(path)
        _check_ends(path)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read",
            expected="a tab-separated file of the benchmark",
            received=error.strerror or str(error),
            fix=f"put the file there; {_beside(path)}",
        ) from None
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(
            f"{path} is empty",
            expected="a tab-separated file of the benchmark, one row a line",
            received=f"{len(content)} bytes and no row",
            fix="copy the file again",
        )
    if carriage_returns:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    problems = _unreadable(content)
    if problems:
        raise malformed(path, problems)
    lines = content.decode("utf-8-sig").split("\n")
    if not lines[-1]:
        lines.pop()  # The line feed that ends the last line starts no line of its own.
    if b"\r" in content:
        lines = [line.removesuffix("\r") for line in lines]
    return lines


def _check_ends(path: Path) -> None:
    """Raise DataError if a line does not end, before the file is read into memory."""
    if path.stat().st_size <= limits.LONGEST_LINE:
        return
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(limits.LONGEST_LINE + 1), b""), start=1):
            if len(line) > limits.LONGEST_LINE:
                raise endless(path, number)


def endless(path: Path, number: int) -> DataError:
    """The error for a line that is longer than a line can be."""
    return DataError(
        f"{path}, line {number}: it does not end",
        expected=f"lines of at most {limits.LONGEST_LINE:,} bytes",
        received="more than that without a line feed",
        fix="check that the file is text with a row a line, and that its lines end with LF or CRLF",
    )


def _unreadable(content: bytes) -> Problems:
    """The lines that are not UTF-8, or hold a NUL or a carriage return that ends no line."""
    # Whole-file checks first: a good file pays for no loop.
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if b"\0" not in content and content.count(b"\r") == content.count(b"\r\n"):
            return Problems()
    problems = Problems()
    offset = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        problem = _unreadable_line(number, line, offset, last=offset + len(line) == len(content))
        if problem:
            problems.add(problem)
        offset += len(line) + 1
    return problems


def _unreadable_line(number: int, line: bytes, offset: int, *, last: bool) -> Problem | None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(
            number,
            "not UTF-8 text",
            "UTF-8, with or without a byte order mark",
            f"byte 0x{line[error.start]:02x} at offset {offset + error.start} of the file ({error.reason})",
            "convert the file to UTF-8: iconv -f LATIN1 -t UTF-8 (or from UTF-16, if that is what it is in)",
        )
    if b"\0" in line:
        place = line.index(b"\0")
        return Problem(
            number,
            "a NUL byte",
            "text",
            f"byte 0x00 at offset {offset + place} of the file",
            "copy the file again: it seems damaged, or is UTF-16 (then convert it to UTF-8)",
        )
    place = (line if last else line.removesuffix(b"\r")).find(b"\r")
    if place >= 0:
        return Problem(
            number,
            "a carriage return that ends no line",
            "lines that end with LF or CRLF, and no carriage return within a line",
            f"byte 0x0d at offset {offset + place} of the file",
            "take the carriage return out, or convert the file's line ends to LF",
        )
    return None


def malformed(path: Path, problems: Problems, unit: str = "line") -> DataError:
    """One error for all of a file's malformed lines: the first few in full, then how many there are.

    Args:
        path: the file.
        problems: one or more.
        unit: what the problems' numbers count: "line", or "row" in files that have no lines.
    """
    few = problems.first
    first = few[0]
    if problems.count == 1:
        return DataError(
            f"{path}, {unit} {first.line}: {first.message}",
            expected=first.expected,
            received=first.received,
            fix=first.fix,
        )
    received = [f"{unit} {problem.line}: {problem.message}; {problem.received}" for problem in few]
    if problems.count > len(few):
        received.append(f"... and {problems.count - len(few):,} more, the last in {unit} {problems.last.line}")
    return DataError(
        f"{path}, {unit} {first.line}: {first.message}; {problems.count:,} problems in all",
        expected="; ".join(dict.fromkeys(problem.expected for problem in few)),
        received="".join(f"\n    {line}" for line in received),
        fix="; ".join(dict.fromkeys(problem.fix for problem in few)),
    )


def _beside(path: Path) -> str:
    """Which files lie where `path` was looked for."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"the folder {path.parent} is missing too, or cannot be read"
    return f"in {path.parent} there are: {listed(names)}" if names else f"{path.parent} is empty"


def listed(names: Sequence[str]) -> str:
    """The names in quotes, the first of them where there are many."""
    few = ", ".join(shown(name) for name in names[:NAMES_SHOWN])
    return f"{few} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else few


def shown(text: str) -> str:
    """The text in quotes, with tabs and control characters made visible, cut to a length that fits a line."""
    cut = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "..."
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut) + '"'
