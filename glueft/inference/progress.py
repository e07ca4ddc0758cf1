"""What a prediction shows on standard error while it goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn

from glueft.system.console import PLAIN_SECONDS, PlainConsole, cell, plain_column
from glueft.text import duration


class PredictionProgress:
    """Phases, and how far the rows are. Short ones pass without a word where no terminal shows them.

    Args:
        quiet: show warnings alone.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = PlainConsole(sys.stderr)
        self.quiet = quiet
        self.live = self.console.is_live and not quiet
        self.bar: Progress | None = None
        self.done = 0
        self.total: int | None = None
        self.begin = self.shown = time.perf_counter()

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, soft_wrap=True)

    def inform(self, text: str) -> None:
        """Show a line of what goes on or was done, which `--quiet` leaves out."""
        if not self.quiet:
            self.say(text)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Spin while a phase goes on."""
        if not self.live:
            yield
            return
        with self.console.status(cell(f"{name} ...")):
            yield

    @contextmanager
    def counting(self, what: str, total: int | None) -> Iterator[None]:
        """Show how many rows are done, and of how many if that is known."""
        self.done, self.total, self.what = 0, total, what
        self.begin = self.shown = time.perf_counter()
        if not self.live:
            yield
            return
        columns: list[Any] = [plain_column("{task.description}"), plain_column("{task.fields[state]}")]
        columns[1:1] = (
            [SpinnerColumn()] if total is None else [BarColumn(bar_width=None, style="dim"), MofNCompleteColumn()]
        )
        with Progress(*columns, console=self.console, expand=total is not None, transient=True) as self.bar:
            self.bar.add_task(what, total=total, state="")
            yield
        self.bar = None

    def rows(self, count: int) -> None:
        """Count rows."""
        self.done += count
        now = time.perf_counter()
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=self.done, state=self._state(now))
        elif now - self.shown >= PLAIN_SECONDS:
            self.shown = now
            of = "" if self.total is None else f"/{self.total:,}"
            self.inform(f"{self.what}: {self.done:,}{of} rows, {self._state(now)}")

    def _state(self, now: float) -> str:
        return rate_text(self.done, self.total, now - self.begin)


def rate_text(done: int, total: int | None, seconds: float) -> str:
    """Return how quick rows are and, where it is known how many there are, the time left: `100 rows/s, 0:08 left`."""
    rate = done / max(seconds, 1e-9)
    if total is None or not done:
        return f"{rate:,.0f} rows/s"
    return f"{rate:,.0f} rows/s, {duration((total - done) / rate)} left"
