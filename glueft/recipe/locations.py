"""Where each value of a recipe comes from: a line of the file, or an argument of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from glueft.recipe.problems import Problem, dotted
from glueft.recipe.toml_lines import Path


@dataclass(frozen=True)
class Origins:
    """The origins of a recipe's values.

    Attributes:
        recipe: the recipe's file or name.
        lines: the line of each path in the file.
        arguments: the argument that each changed path comes from.
        folder: the recipe's folder.
    """

    recipe: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    arguments: Mapping[Path, str] = field(default_factory=dict)
    folder: FilePath = FilePath()

    def argument(self, path: Path) -> str | None:
        """The argument of the command line that set this path or something that holds it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.arguments:
                return self.arguments[path[:end]]
        # A table that the file does not have is there because of the arguments that put something into it.
        if path and path not in self.lines:
            return next((where for at, where in self.arguments.items() if at[: len(path)] == path), None)
        return None

    def folder_of(self, path: Path) -> FilePath:
        """Where a relative path begins that is the value at `path`: the recipe's folder, or the shell's own."""
        return FilePath() if self.argument(path) else self.folder

    def line(self, path: Path) -> int | None:
        """The line of a path in the file, or of the nearest table around it."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)

    def problem(
        self, path: Path, message: str, *, expected: str, received: str, fix: str, suggestion: str | None = None
    ) -> Problem:
        """A problem of the value at this path, placed where it comes from."""
        argument = self.argument(path)
        line = None if argument else self.line(path)
        return Problem(dotted(path), line, argument or self.recipe, message, expected, received, fix, suggestion)
