"""The errors that a user can fix: each says what was expected, what was received and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from glueft.text import printable, printable_line, without_secrets

_BREAK = re.compile(r"\n(?! {4})")


class GlueftError(Exception):
    """An error that the user can fix. The command line prints it without a traceback and exits with 2.

    Args:
        message: one line that names the file, key or plugin, and says what is wrong with it.
        expected: what would have been right; like the others, not printed if empty.
        received: what was there instead.
        fix: what to do now; the most useful of the four.
        mend: the earlier name of `fix`, for plugins that use it.
    """

    def __init__(self, message: str, *, expected: str = "", received: str = "", fix: str = "", mend: str = "") -> None:
        # The message of a server or library may hold a token.
        message = without_secrets(message)
        super().__init__(message)
        self.message = message
        self.expected = without_secrets(expected)
        self.received = without_secrets(received)
        self.fix = without_secrets(fix or mend)
        self.others: tuple[GlueftError, ...] = ()

    @classmethod
    def together(cls, errors: Sequence[GlueftError]) -> GlueftError:
        """Return the first of some errors, at least one, with the others: all are told, as a recipe's problems are."""
        first, *others = errors
        first.others = tuple(others)
        return first

    def __str__(self) -> str:
        return "\n".join(map(GlueftError._text, (self, *self.others)))

    def _text(self) -> str:
        named = {"expected": self.expected, "received": self.received, "to fix": self.fix}
        # Line breaks in a part are indented, so that quoted text cannot look like one of these lines.
        lines = (
            "  " + f"{name}:".ljust(10) + _BREAK.sub("\n    ", printable(text)) for name, text in named.items() if text
        )
        return "\n".join([printable_line(self.message), *lines])

    def reword(self, change: Callable[[str], str]) -> None:
        """Change every text of it, such as for a reader who has no command line."""
        for name in ("message", "expected", "received", "fix"):
            setattr(self, name, change(getattr(self, name)))
        for other in self.others:
            other.reword(change)

    def _render_traceback_(self) -> list[str]:
        """In a notebook: what the command line prints, without the traceback; of a plugin's error with it."""
        if self.__cause__ is not None:
            raise NotImplementedError  # IPython shows the traceback then.
        return [f"{type(self).__name__}: {self}"]

    @property
    def mend(self) -> str:
        """`fix`, under its earlier name."""
        return self.fix

    @mend.setter
    def mend(self, fix: str) -> None:
        self.fix = fix

    @property
    def in_one_line(self) -> str:
        """`MESSAGE (expected E; received R): FIX`, without what is left out."""
        facts = {"expected": self.expected, "received": self.received}
        inner = "; ".join(f"{name} {text}" for name, text in facts.items() if text)
        return printable_line(self.message + (f" ({inner})" if inner else "") + (f": {self.fix}" if self.fix else ""))


class PluginError(GlueftError):
    """A plugin cannot be found or imported, or breaks the contract of its kind."""


class DataError(GlueftError):
    """Rows cannot be read, or a row does not fit the task."""


class HubError(GlueftError):
    """The hub cannot be reached, or refuses, and its local cache lacks what is needed."""


class CheckpointError(GlueftError):
    """A checkpoint cannot be found or read, or does not fit the task."""


class TrainingError(GlueftError):
    """Training cannot go on, for example because the loss is no longer finite."""


class RunFolderError(GlueftError):
    """A run folder cannot be written, or is not one."""


class SubmissionError(GlueftError):
    """The files for a benchmark cannot be made from these runs."""


class ExportError(GlueftError):
    """A model cannot be exported in this format or to this folder."""


class OutputError(GlueftError):
    """A result cannot be written, or would replace an existing file."""


class ComparisonError(GlueftError):
    """Runs cannot be compared: they are of different tasks, or predicted different rows."""


class ServeError(GlueftError):
    """The HTTP service cannot begin at this address, or lacks a package."""


class StudyError(GlueftError):
    """A study file is wrong, or a folder is not that of a study."""
