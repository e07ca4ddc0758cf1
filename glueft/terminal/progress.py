"""What a run shows while it goes on: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress
from rich.text import Text

from glueft.system.console import PLAIN_SECONDS, PlainConsole, Table, cell, plain_column
from glueft.terminal.result_tables import epoch_table, result_table
from glueft.text import duration, say, score_text
from glueft.training.observers import RunProgress

if TYPE_CHECKING:
    from glueft.runs.record import Record
    from glueft.training.engine import EpochReport, StepReport


def make_progress(stream: IO[str]) -> RunProgress:
    """Return the progress for a stream: rich if it is a terminal, plain lines if not."""
    console = PlainConsole(stream)
    return RichProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(stream)


class RichProgress:
    """Phases with a spinner, a bar while training, tables at the end."""

    def __init__(self, console: PlainConsole) -> None:
        self.console = console
        self.epochs = 0
        self.bar: Progress | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Spin while the phase goes on, then leave a line with its seconds."""
        begin = time.perf_counter()
        with self.console.status(cell(f"{name} ...")):
            yield
        seconds = (f" ({time.perf_counter() - begin:.1f} s)", "dim")
        self.console.print(Text.assemble(("✓ ", "green"), cell(name), seconds))

    def say(self, text: str) -> None:
        """Print a line, as it is."""
        self.console.print(text)

    @contextmanager
    def training(self, epochs: int, num_train_steps: int) -> Iterator[None]:
        """Show the bar while the training goes on."""
        self.epochs = epochs
        columns = (
            plain_column("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            plain_column("{task.fields[state]}"),
        )
        with Progress(*columns, console=self.console, expand=True) as self.bar:
            self.bar.add_task(f"epoch 1/{epochs}", total=num_train_steps, state="first step: tracing the model ...")
            yield

    def step(self, report: StepReport) -> None:
        """Move the bar."""
        assert self.bar is not None
        task = self.bar.tasks[0]
        left = seconds_left(report, int(task.total or 0))
        state = (
            f"loss {score_text(report.loss)}  lr {report.learning_rate:.2e}  "
            f"{report.examples / report.seconds:.1f} examples/s  {duration(left)} left"
        )
        self.bar.update(task.id, completed=report.step, state=state)

    def epoch(self, report: EpochReport) -> None:
        """Leave a line for the epoch above the bar."""
        assert self.bar is not None
        self.console.print(Text.assemble(("✓ ", "green"), cell(epoch_line(report, self.epochs))))
        upcoming = min(report.epoch + 1, self.epochs)
        self.bar.update(self.bar.task_ids[0], description=f"epoch {upcoming}/{self.epochs}")

    def finished(self, record: Record) -> None:
        """Print the two tables."""
        self.tables(epoch_table(record), result_table(record))

    def tables(self, *tables: Table) -> None:
        """Print tables."""
        for table in tables:
            self.console.print(table)


class PlainProgress:
    """One line an event, without control codes."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.epochs = 0
        self.num_train_steps = 0
        self.shown = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Print a line when the phase is over."""
        begin = time.perf_counter()
        yield
        self.say(f"{name} ({time.perf_counter() - begin:.1f} s)")

    def say(self, text: str) -> None:
        """Print a line."""
        say(*text.split("\n"), stream=self.stream)

    @contextmanager
    def training(self, epochs: int, num_train_steps: int) -> Iterator[None]:
        """Say what begins."""
        self.epochs = epochs
        self.num_train_steps = num_train_steps
        self.shown = time.perf_counter()
        self.say(f"training: {num_train_steps:,} steps in {epochs} epoch(s)")
        yield

    def step(self, report: StepReport) -> None:
        """Print a line if the last one is some seconds old."""
        now = time.perf_counter()
        if report.step > 1 and now - self.shown < PLAIN_SECONDS:
            return
        self.shown = now
        self.say(
            f"step {report.step:,}/{self.num_train_steps:,}  loss {score_text(report.loss)}  "
            f"lr {report.learning_rate:.2e}  "
            f"{report.examples / report.seconds:.1f} examples/s  "
            f"{duration(seconds_left(report, self.num_train_steps))} left"
        )

    def epoch(self, report: EpochReport) -> None:
        """Print a line."""
        self.say(epoch_line(report, self.epochs))

    def finished(self, record: Record) -> None:
        """Print the two tables."""
        self.tables(epoch_table(record), result_table(record))

    def tables(self, *tables: Table) -> None:
        """Print tables, without a frame."""
        # Wide enough for any path: a console that wraps would break the run folder's name in two.
        console = PlainConsole(self.stream, no_color=True, force_terminal=False, width=400)
        for table in tables:
            table.box = None
            with console.capture() as captured:
                console.print(table)
            say(*(line.rstrip() for line in captured.get().splitlines()), stream=self.stream)


def seconds_left(report: StepReport, num_train_steps: int) -> float:
    """Estimate the seconds of training still to come, from the mean step so far."""
    return report.seconds / report.step * (num_train_steps - report.step)


def epoch_line(report: EpochReport, epochs: int) -> str:
    """Return `epoch 1/3: loss ..., validation loss ..., accuracy ...`."""
    metrics = "".join(f", {name} {score_text(value)}" for name, value in report.metrics.items())
    return (
        f"epoch {report.epoch}/{epochs}: loss {score_text(report.loss)}, "
        f"validation loss {score_text(report.validation_loss)}{metrics} ({report.seconds:.1f} s)"
    )
