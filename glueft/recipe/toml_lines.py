"""Finds the line of each key of a TOML text, which `tomllib` does not tell.

It never raises: in a text that is not TOML it stops at the first fault and returns what it has found so far.
"""

from __future__ import annotations

import bisect
import contextlib
import re
import tomllib
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_LITERAL_STRING = re.compile(r"'[^'\n]*'")
_LONG_BASIC_STRING = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL)
_LONG_LITERAL_STRING = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL)
_PLAIN_VALUE = re.compile(r"[^,\]}\n#]+")


@dataclass
class Places:
    """The places in a TOML text; lines count from 1.

    Attributes:
        lines: the line of each key, table and list element, by its path.
        repeats: of each repeated key or table the path, the first line and the second line.
        last: the line in which the last statement that was read begins.
    """

    lines: dict[Path, int] = field(default_factory=dict)
    repeats: list[tuple[Path, int, int]] = field(default_factory=list)
    last: int = 1


class _LostError(Exception):
    """The text is not TOML from here on."""


def locate(text: str) -> Places:
    """Find the line of every key of a TOML text."""
    scanner = _Scanner(text)
    with contextlib.suppress(_LostError, RecursionError):
        scanner.document()
    return scanner.places


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.places = Places()
        self.explicit: set[Path] = set()
        self.elements: dict[Path, int] = {}  # tables so far of each [[array of tables]]

    def document(self) -> None:
        table: Path = ()
        while self.skip(_BLANK) < len(self.text):
            self.places.last = self.line()
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self.enter(self.key(), array=True)
                self.expect("]]")
            elif self.text.startswith("[", self.at):
                self.at += 1
                table = self.enter(self.key(), array=False)
                self.expect("]")
            else:
                self.pair(table)
            self.skip(_SPACE)
            if self.at < len(self.text) and self.text[self.at] not in "\r\n#":
                raise _LostError

    def enter(self, key: list[str], *, array: bool) -> Path:
        """Note a table's header; return its path."""
        path: Path = ()
        for part in key[:-1]:
            path = self.within((*path, part))
            self.places.lines.setdefault(path, self.line())
        path = (*path, key[-1])
        if array:
            self.places.lines.setdefault(path, self.line())
            self.elements[path] = self.elements.get(path, 0) + 1
            path = self.within(path)
        self.note(path)
        return path

    def within(self, path: Path) -> Path:
        """The path, or for an array of tables the path of its last element."""
        return (*path, self.elements[path] - 1) if path in self.elements else path

    def pair(self, table: Path) -> None:
        line = self.line()
        path = table
        key = self.key()
        for part in key[:-1]:
            path = (*path, part)
            self.places.lines.setdefault(path, line)
        path = (*path, key[-1])
        self.note(path)
        self.expect("=")
        self.skip(_SPACE)
        self.value(path)

    def value(self, path: Path) -> None:
        start = self.text[self.at : self.at + 3]
        if start in ('"""', "'''"):
            self.need(_LONG_BASIC_STRING if start == '"""' else _LONG_LITERAL_STRING)
        elif start[:1] in ('"', "'"):
            self.need(_BASIC_STRING if start[0] == '"' else _LITERAL_STRING)
        elif start[:1] == "[":
            self.sequence("]", path)
        elif start[:1] == "{":
            self.sequence("}", path)
        else:
            self.need(_PLAIN_VALUE)

    def sequence(self, end: str, path: Path) -> None:
        """A list, or an inline table, from its opening bracket to its closing one."""
        self.at += 1
        index = 0
        while True:
            self.skip(_BLANK)
            if self.text.startswith(end, self.at):
                self.at += 1
                return
            if end == "]":
                element = (*path, index)
                self.places.lines.setdefault(element, self.line())
                self.value(element)
                index += 1
            else:
                self.pair(path)
            self.skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
            elif not self.text.startswith(end, self.at):
                raise _LostError

    def key(self) -> list[str]:
        parts = []
        while True:
            self.skip(_SPACE)
            if self.text[self.at : self.at + 1] in ('"', "'"):
                quoted = self.need(_BASIC_STRING if self.text[self.at] == '"' else _LITERAL_STRING)
                try:
                    parts.append(tomllib.loads(f"key = {quoted}")["key"])
                except ValueError:
                    raise _LostError from None
            else:
                parts.append(self.need(_BARE_KEY))
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def note(self, path: Path) -> None:
        """Note a path that is written in full, which is allowed once."""
        if path in self.explicit:
            self.places.repeats.append((path, self.places.lines[path], self.line()))
        elif path not in self.elements:
            self.explicit.add(path)
            self.places.lines[path] = self.line()

    def skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def need(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if not match:
            raise _LostError
        self.at = match.end()
        return match.group()

    def expect(self, mark: str) -> None:
        self.skip(_SPACE)
        if not self.text.startswith(mark, self.at):
            raise _LostError
        self.at += len(mark)

    def line(self) -> int:
        return bisect.bisect_left(self.breaks, self.at) + 1
