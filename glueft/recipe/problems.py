"""What is wrong with a recipe: each problem by itself, and all of them in one error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glueft.errors import GlueftError
from glueft.recipe.toml_lines import Path
from glueft.text import printable_line, quoted

# So many problems are no recipe but some other file; the rest is counted.
MOST_SHOWN = 50


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe.

    Attributes:
        path: its dotted path, `training.batch_size` or `callbacks.0.patience`; empty if it is the file as a whole.
        line: the line of the recipe; None if it has none, or if it comes from the command line.
        where: the recipe's file, or the argument that caused it, such as `--set training.epochs=0`.
        message: what is wrong, in a few words.
        expected, received, fix: as in every GlueftError.
        suggestion: the valid name or path that was probably meant.
    """

    path: str
    line: int | None
    where: str
    message: str
    expected: str
    received: str
    fix: str
    suggestion: str | None = None

    @property
    def place(self) -> str:
        """`training.batch_size (line 19)`, or with the argument of the command line in the brackets."""
        name = self.path or "the file"
        if self.where.startswith("--"):
            return f"{name} ({self.where})" if self.path else self.where
        return f"{name} (line {self.line})" if self.line else name


class RecipeError(GlueftError):
    """A recipe that cannot be used, with all its problems.

    Args:
        recipe: what the recipe was called: its file, or its name.
        problems: one or more, in the order of the file.
    """

    def __init__(self, recipe: str, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(
            f"{recipe}: {count}, nothing was run",
            expected="; ".join(problem.expected for problem in self.problems if problem.expected),
            received="; ".join(problem.received for problem in self.problems if problem.received),
            fix="; ".join(problem.fix for problem in self.problems if problem.fix),
        )

    def __str__(self) -> str:
        shown, more = self.problems[:MOST_SHOWN], len(self.problems) - MOST_SHOWN
        told = [tuple(map(printable_line, (each.place, each.message, each.fix))) for each in shown]
        width = min(48, max(len(place) for place, _, _ in told))
        blocks = [f"  {place:<{width}}   {message}" + (f"\n      {fix}" if fix else "") for place, message, fix in told]
        return "\n\n".join([printable_line(self.message), *blocks, *([f"  and {more} more"] if more > 0 else [])])


def dotted(path: Path) -> str:
    """`("callbacks", 0, "a b")` as `callbacks.0."a b"`."""
    return ".".join(quoted_key(part) if isinstance(part, str) else str(part) for part in path)


def quoted_key(key: str) -> str:
    """A key as TOML writes it: bare where it can be, else in quotes."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else quoted(key)
