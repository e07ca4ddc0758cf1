"""Where the progress of a command is shown. Here it is shown nowhere; `glueft.terminal.progress` shows it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glueft.system.console import Table


class Progress:
    """Shows nothing: for Python callers, and the base of what shows something."""

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Return a context manager around one phase."""
        return nullcontext()

    def say(self, text: str) -> None:
        """Show one line; any thread may call it."""

    def warn(self, *warnings: str) -> None:
        """Show warnings, a line each."""
        for text in warnings:
            self.say(f"warning: {text}")

    def tables(self, *tables: Table) -> None:
        """Show tables."""
