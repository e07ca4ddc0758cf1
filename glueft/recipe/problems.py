"""The problems of a recipe, their locations, and the error that holds them all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from glueft.errors import GlueftError
from glueft.recipe.toml_lines import Path
from glueft.text import printable_line, quoted

# With more problems, the file is hardly a recipe; the rest is counted.
MOST_SHOWN = 50


@dataclass(frozen=True)
class Problem:
    """One problem of a recipe.

    Attributes:
        path: dotted, `training.batch_size` or `callbacks.0.patience`; empty for the whole file.
        line: in the recipe; None if there is none, or if the value comes from the command line.
        where: the recipe's file, or the argument that caused it, such as `--set training.epochs=0`.
        message, expected, received, fix: as in every GlueftError.
        suggestion: the valid name or path that was probably meant.
        of: the recipe that has the problem, where it is one of a study.
    """

    path: str
    line: int | None
    where: str
    message: str
    expected: str
    received: str
    fix: str
    suggestion: str | None = None
    of: str = ""

    @property
    def place(self) -> str:
        """`training.batch_size (line 19)`, or with the command-line argument in the brackets."""
        name = (f"{self.of}: " if self.of else "") + (self.path or "the file")
        if self.where.startswith("--"):
            return f"{name} ({self.where})" if self.path else self.where
        return f"{name} (line {self.line})" if self.line else name


class RecipeError(GlueftError):
    """A recipe that cannot be used, with all its problems.

    Args:
        recipe: its file or name.
        problems: one or more, in the order of the file.
    """

    def __init__(self, recipe: str, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        self._change: Callable[[str], str] = str  # of the place of each
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(
            f"{recipe}: {count}, nothing was run",
            expected="; ".join(problem.expected for problem in self.problems if problem.expected),
            received="; ".join(problem.received for problem in self.problems if problem.received),
            fix="; ".join(problem.fix for problem in self.problems if problem.fix),
        )

    def reword(self, change: Callable[[str], str]) -> None:
        super().reword(change)
        self._change = change
        for place, problem in enumerate(self.problems):
            texts: dict[str, Any] = {
                name: change(getattr(problem, name)) for name in ("message", "expected", "received", "fix")
            }
            self.problems[place] = replace(problem, **texts)

    def __str__(self) -> str:
        shown, more = self.problems[:MOST_SHOWN], len(self.problems) - MOST_SHOWN
        told = [tuple(map(printable_line, (self._change(each.place), each.message, each.fix))) for each in shown]
        width = min(48, max(len(place) for place, _, _ in told))
        blocks = [f"  {place:<{width}}   {message}" + (f"\n      {fix}" if fix else "") for place, message, fix in told]
        return "\n\n".join([printable_line(self.message), *blocks, *([f"  and {more} more"] if more > 0 else [])])


class StudyGivenError(RecipeError):
    """A study where a recipe was asked for; it holds the file's text, which may come from a pipe."""

    def __init__(self, path: str, name: str, text: str) -> None:
        self.text = text
        told = {"expected": "a recipe", "received": "a table [study]"}
        fix = f"run it with: glueft study {shlex.quote(path)}"
        super().__init__(name, [Problem("", None, name, "this is a study, not a recipe", fix=fix, **told)])


@dataclass(frozen=True)
class Locations:
    """The locations of a recipe's values.

    Attributes:
        recipe: its file or name.
        lines: the line of each path in the file.
        arguments: the command-line argument of each changed path.
        folder: the base of relative paths in the file.
    """

    recipe: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    arguments: Mapping[Path, str] = field(default_factory=dict)
    folder: FilePath = FilePath()

    def argument(self, path: Path) -> str | None:
        """The command-line argument that set this path or a table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.arguments:
                return self.arguments[path[:end]]
        # A table that is not in the file was made by an argument for one of its keys.
        if path and path not in self.lines:
            return next((where for at, where in self.arguments.items() if at[: len(path)] == path), None)
        return None

    def is_changed(self, path: Path) -> bool:
        """Whether a value comes from elsewhere than the file."""
        return self.argument(path) is not None

    def given_at(self, path: Path) -> Path:
        """Under which key of `--set`, or of the file, a value is given."""
        return path

    def folder_of(self, path: Path) -> FilePath:
        """The base of a relative path that is the value at `path`: the recipe's folder, or the working folder."""
        return FilePath() if self.argument(path) else self.folder

    def line(self, path: Path) -> int | None:
        """The line of a path in the file, or of the nearest table around it."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)

    def problem(
        self, path: Path, message: str, *, expected: str, received: str, fix: str, suggestion: str | None = None
    ) -> Problem:
        """A problem of the value at this path, with its location."""
        argument = self.argument(path)
        line = None if argument else self.line(path)
        return Problem(dotted(path), line, argument or self.recipe, message, expected, received, fix, suggestion)

    def refused(self, path: Path, error: GlueftError, **changes: Any) -> Problem:
        """An error as a problem, with `changes`."""
        told = {"expected": error.expected, "received": error.received, "fix": error.fix}
        return self.problem(path, error.message, **(told | changes))


def dotted(path: Path) -> str:
    """`("callbacks", 0, "a b")` as `callbacks.0."a b"`."""
    return ".".join(quoted_key(part) if isinstance(part, str) else str(part) for part in path)


def quoted_key(key: str) -> str:
    """A key as TOML writes it: bare where it can be, else in quotes."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else quoted(key)
