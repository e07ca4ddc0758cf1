"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from glueft.runs.record import Record
    from glueft.system.console import Table
    from glueft.training.engine import EpochReport, StepReport


class RunProgress(Protocol):
    """What a run tells whoever watches."""

    def phase(self, name: str) -> Any:
        """Return a context manager around one phase of the set-up."""

    def say(self, text: str) -> None:
        """Show one line."""

    def training(self, epochs: int, num_train_steps: int) -> Any:
        """Return a context manager around the training."""

    def step(self, report: StepReport) -> None:
        """Show the state after a step."""

    def epoch(self, report: EpochReport) -> None:
        """Show the state after an epoch."""

    def finished(self, record: Record) -> None:
        """Show the result: validation metrics an epoch, and the last table."""

    def tables(self, *tables: Table) -> None:
        """Show tables."""


class Silent:
    """Shows nothing: for Python callers."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Show nothing."""
        yield

    def say(self, text: str) -> None:
        """Show nothing."""

    @contextmanager
    def training(self, epochs: int, num_train_steps: int) -> Iterator[None]:
        """Show nothing."""
        yield

    def step(self, report: StepReport) -> None:
        """Show nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Show nothing."""

    def finished(self, record: Record) -> None:
        """Show nothing."""

    def tables(self, *tables: Table) -> None:
        """Show nothing."""
