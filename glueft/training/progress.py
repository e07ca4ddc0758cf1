"""Where the progress of a command is shown. Here it is shown nowhere; `glueft.terminal.progress` shows it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glueft.system.console import Table


class Progress:
    """Shows nothing: for Python callers, and the base of what shows something.

    Attributes:
        width: of the lines that it shows, in columns.
    """

    width = 80

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Return a context manager around one phase."""
        return nullcontext()

    def say(self, text: str) -> None:
        """Show one line; any thread may call it."""

    def inform(self, text: str) -> None:
        """Show a line of what is going on: not what to heed, so that `--quiet` leaves it out."""
        self.say(text)

    def say_unbroken(self, text: str) -> None:
        """Show a line with a command or a path to be copied: only the terminal itself may break it."""
        self.say(text)

    def warn(self, *warnings: str) -> None:
        """Show warnings, a line each."""
        for text in warnings:
            self.say(f"warning: {text}")

    def tables(self, *tables: Table) -> None:
        """Show tables."""
