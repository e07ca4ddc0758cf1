"""The one family of expected failures. Every member says what was expected, what was received and how to fix it."""

from __future__ import annotations

import re

from glueft.text import printable, printable_line, without_secrets

_BREAK = re.compile(r"\n(?! {4})")


class GlueftError(Exception):
    """A failure that the user can fix. The command line prints it without a traceback and exits with 2.

    What is left out below is the empty text, and is left out where the error is shown.

    Args:
        message: one line that names the thing that is wrong (a file, a key, a plugin) and says what is wrong with it.
        expected: what would have been right.
        received: what was there instead.
        fix: what to do now; the most useful of the four.
        mend: the same, under the name that plugins of earlier versions give it.
    """

    def __init__(self, message: str, *, expected: str = "", received: str = "", fix: str = "", mend: str = "") -> None:
        # What a server or a library has said may hold a token; whoever uses a part of this must not give it on.
        message = without_secrets(message)
        super().__init__(message)
        self.message = message
        self.expected = without_secrets(expected)
        self.received = without_secrets(received)
        self.fix = without_secrets(fix or mend)

    def __str__(self) -> str:
        named = {"expected": self.expected, "received": self.received, "to fix": self.fix}
        # Whatever is quoted in it cannot begin a line that looks like one of these.
        lines = (
            "  " + f"{name}:".ljust(10) + _BREAK.sub("\n    ", printable(text)) for name, text in named.items() if text
        )
        return "\n".join([printable_line(self.message), *lines])

    @property
    def mend(self) -> str:
        """`fix`, under its earlier name."""
        return self.fix

    @property
    def in_one_line(self) -> str:
        """`MESSAGE (expected E; received R): FIX`, without what is left out."""
        facts = {"expected": self.expected, "received": self.received}
        inner = "; ".join(f"{name} {text}" for name, text in facts.items() if text)
        return printable_line(self.message + (f" ({inner})" if inner else "") + (f": {self.fix}" if self.fix else ""))


class PluginError(GlueftError):
    """A plugin cannot be found, cannot be imported, or breaks the contract of its kind."""


class DataError(GlueftError):
    """Rows cannot be had, or a row is not what the task says it is."""


class HubError(GlueftError):
    """The hub cannot be reached and its local cache does not hold what is needed."""


class CheckpointError(GlueftError):
    """A checkpoint cannot be found, read, or made to fit the task."""


class TrainingError(GlueftError):
    """Training cannot go on: the loss is no longer a finite number, for one."""


class RunFolderError(GlueftError):
    """A run folder cannot be written, or is not one."""


class SubmissionError(GlueftError):
    """A benchmark's upload cannot be put together from these runs."""


class ExportError(GlueftError):
    """A model cannot be exported in the form, or to the place, that was asked for."""


class OutputError(GlueftError):
    """A result cannot be written where it was asked for, or something stands there already."""


class ComparisonError(GlueftError):
    """Runs cannot be set side by side: they are of different tasks, or have answered different rows."""
