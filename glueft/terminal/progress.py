"""Shows a run: with rich on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from glueft.metrics import titled
from glueft.system.console import PLAIN_SECONDS, PlainConsole, Table, cell, plain_column
from glueft.system.interruption import at_the_end, forget
from glueft.terminal.result_tables import epoch_table, result_table
from glueft.text import duration, epoch_text, say, score_text
from glueft.training.observers import EpochReport, MidEpochReport, RunProgress, StepReport, Training

if TYPE_CHECKING:
    from glueft.runs.record import Record

# Seconds between two updates of the bar: reading the learning rate and drawing take about a millisecond.
BAR_SECONDS = 0.2


def make_progress(stream: IO[str]) -> RunProgress:
    """Return the progress for a stream: rich if it is a terminal, plain lines if not."""
    console = PlainConsole(stream)
    return RichProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(stream)


class _Shown(RunProgress):
    """What both ways of showing a run know of its training.

    Attributes:
        epochs: how many there are to be.
        num_train_steps: optimizer steps of all epochs.
        metric_labels: for each metric of one label, the label.
        shown: `time.perf_counter()` when a step was last shown; None before the first.
    """

    epochs = num_train_steps = 0
    shown: float | None = None

    def begin(self, training: Training) -> None:
        batches = training.session.batches
        self.epochs, self.num_train_steps = batches.epochs, batches.num_train_steps
        self.metric_labels = training.session.metric_labels

    def due(self, report: StepReport, seconds: float) -> bool:
        """Whether a step is to be shown: the first, and then one every so many seconds."""
        now = time.perf_counter()
        if self.shown is not None and now - self.shown < seconds:
            return False
        self.shown = now
        return True

    def step_line(self, report: StepReport) -> str:
        """Return `loss ...  lr ...  ... examples/s  ... left`; the first step, which is compiled, tells no speed."""
        text = f"loss {score_text(report.loss)}  lr {report.learning_rate:.2e}"
        if report.step == 1:
            return text
        left = seconds_left(report, self.num_train_steps)
        return f"{text}  {report.examples / report.seconds:.1f} examples/s  {duration(left)} left"

    def epoch_line(self, report: MidEpochReport) -> str:
        """Return `epoch 1/3: loss ..., validation loss ..., accuracy ...`; within an epoch `epoch 1.5/3: ...`."""
        metrics = titled(report.metrics, self.metric_labels)
        values = "".join(f", {name} {score_text(value)}" for name, value in metrics.items())
        return (
            f"epoch {epoch_text(report.epoch)}/{self.epochs}: loss {score_text(report.loss)}, "
            f"validation loss {score_text(report.validation_loss)}{values} ({report.seconds:.1f} s)"
        )

    def finished(self, record: Record) -> None:
        self.tables(epoch_table(record), result_table(record))


class RichProgress(_Shown):
    """Phases with a spinner, a bar while training, tables at the end."""

    def __init__(self, console: PlainConsole) -> None:
        self.console = console

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Show a spinner during the phase, then a line with its seconds."""
        begin = time.perf_counter()
        with self.console.status(cell(f"{name} ...")):
            yield
        seconds = (f" ({time.perf_counter() - begin:.1f} s)", "dim")
        self.console.print(Text.assemble(("✓ ", "green"), cell(name), seconds))

    def say(self, text: str) -> None:
        self.console.print(text)

    def begin(self, training: Training) -> None:
        super().begin(training)
        columns = (
            plain_column("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            plain_column("{task.fields[state]}"),
        )
        self.bar = ProgressBar(*columns, console=self.console, expand=True)
        state = "first step: tracing the model ..."
        epoch = min(len(training.epochs) + 1, self.epochs)
        self.task = self.bar.add_task(
            f"epoch {epoch}/{self.epochs}", total=self.num_train_steps, completed=training.step, state=state
        )
        self.bar.start()
        at_the_end(self.bar.stop)  # It gives the terminal its cursor back.

    def step(self, report: StepReport) -> None:
        if self.due(report, BAR_SECONDS) or report.step == self.num_train_steps:
            self.bar.update(self.task, completed=report.step, state=self.step_line(report))

    def mid_epoch(self, report: MidEpochReport) -> None:
        """Leave a line above the bar."""
        self.console.print(Text.assemble(("✓ ", "green"), cell(self.epoch_line(report))))

    def epoch(self, report: EpochReport) -> None:
        """Likewise for the epoch."""
        self.mid_epoch(report)
        upcoming = min(report.epoch + 1, self.epochs)
        self.bar.update(self.task, description=f"epoch {upcoming}/{self.epochs}")

    def end(self, error: BaseException | None) -> None:
        forget(self.bar.stop)
        self.bar.stop()

    def tables(self, *tables: Table) -> None:
        for table in tables:
            self.console.print(table)


class PlainProgress(_Shown):
    """One line an event, without control codes."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Print a line when the phase is over."""
        begin = time.perf_counter()
        yield
        self.say(f"{name} ({time.perf_counter() - begin:.1f} s)")

    def say(self, text: str) -> None:
        say(*text.split("\n"), stream=self.stream)

    def begin(self, training: Training) -> None:
        super().begin(training)
        self.say(f"training: {self.num_train_steps:,} steps in {self.epochs} epoch(s)")

    def step(self, report: StepReport) -> None:
        if self.due(report, PLAIN_SECONDS):
            self.say(f"step {report.step:,}/{self.num_train_steps:,}  {self.step_line(report)}")

    def mid_epoch(self, report: MidEpochReport) -> None:
        self.say(self.epoch_line(report))

    def epoch(self, report: EpochReport) -> None:
        self.mid_epoch(report)

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
