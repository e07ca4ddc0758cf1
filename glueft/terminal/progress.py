"""Shows a run: with rich on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from glueft.system.console import PLAIN_SECONDS, PlainConsole, Table, cell, plain_column
from glueft.system.interruption import at_the_end, forget
from glueft.terminal.epoch_lines import EpochLines
from glueft.terminal.pace import Pace
from glueft.terminal.result_tables import lines_to_copy, result_tables
from glueft.text import counted, duration, say, score_text
from glueft.training.observers import EpochReport, MidEpochReport, RunProgress, StepReport, Training

if TYPE_CHECKING:
    from glueft.runs.record import Record

# Seconds between two updates of the bar: reading the learning rate and drawing take about a millisecond.
BAR_SECONDS = 0.2
# A phase leaves a line on a terminal if it took longer than these seconds.
LONG_PHASE = 10.0
# Columns that plain epoch lines fit: a pipe has no width, and whoever reads it may use such a terminal.
PLAIN_WIDTH = 80
# From so many columns on a bar shows the speed, and the learning rate.
_WITH_SPEED, _WITH_RATE = 75, 90


def make_progress(stream: IO[str], *, verbose: bool = False, quiet: bool = False) -> RunProgress:
    """Return the progress for a stream: rich if it is a terminal, plain lines if not.

    Args:
        stream: where it is shown.
        verbose: tell the time of each phase, and at the end of a run all that was measured.
        quiet: show warnings and results alone.
    """
    console = PlainConsole(stream)
    shown = RichProgress(console, verbose=verbose) if console.is_live else PlainProgress(stream, verbose=verbose)
    return QuietProgress(shown) if quiet else shown


class Shown(RunProgress):
    """What all ways of showing a run know of its training.

    Attributes:
        width: of the lines of epochs.
        verbose: whether all that was measured is told.
        epochs: how many there are to be.
        num_train_steps: optimizer steps of all epochs.
        shown: `time.perf_counter()` when a step was last shown; None before the first.
    """

    width = PLAIN_WIDTH
    verbose = False
    epochs = num_train_steps = 0
    shown: float | None = None

    def begin(self, training: Training) -> None:
        session = training.session
        self.epochs, self.num_train_steps = session.batches.epochs, session.batches.num_train_steps
        within = int(session.evaluated.sum()) > self.epochs
        self.lines = EpochLines(
            self.epochs, self.width, session.metric_labels, within=within, before=training.evaluations
        )
        self.pace = Pace(session.evaluated)

    def due(self, report: StepReport, seconds: float) -> bool:
        """Whether a step is to be shown: the first, and then one every so many seconds."""
        now = time.perf_counter()
        if self.shown is not None and now - self.shown < seconds:
            return False
        self.shown = now
        return True

    def step_line(self, report: StepReport, *, rate: bool = True, speed: bool = True) -> str:
        """Return `loss ...  lr ...  ... examples/s  ... left`; before the second step `loss ...  lr ...  ... left`."""
        left, examples = self.pace.seconds_left(self.num_train_steps), self.pace.examples_per_second()
        parts = [f"loss {score_text(report.loss)}"]
        parts += [f"lr {report.learning_rate:.2e}"] if rate else []
        parts += [f"{examples:.1f} examples/s"] if speed and examples is not None else []
        return "  ".join([*parts, f"{'...' if left is None else duration(left)} left"])

    def finished(self, record: Record) -> None:
        *numbers, facts = result_tables(record, self.width, verbose=self.verbose)
        for table in numbers:
            self.say("")
            self.tables(table)
        self.say("")
        for remark in record.remarks:
            self.remark(remark)
        self.tables(facts)
        for line in lines_to_copy(record, facts):
            self.say_unbroken(line)

    def remark(self, text: str) -> None:
        """Show a sentence on the result."""
        self.say(text)


class RichProgress(Shown):
    """Phases with a spinner, a bar while training, tables at the end."""

    def __init__(self, console: PlainConsole, *, verbose: bool = False) -> None:
        self.console = console
        self.verbose = verbose
        self.width = console.width

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Show a spinner during the phase; then, of a long one, a line with its seconds."""
        begin = time.perf_counter()
        with self.console.status(cell(f"{name} ...")):
            yield
        seconds = time.perf_counter() - begin
        if self.verbose or seconds >= LONG_PHASE:
            self.console.print(Text.assemble(("✓ ", "green"), cell(name), (f" ({seconds:.1f} s)", "dim")))

    def say(self, text: str) -> None:
        self.console.print(text)

    def say_unbroken(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def remark(self, text: str) -> None:
        self.console.print(Text.assemble(("! ", "bold magenta"), cell(text)))

    def begin(self, training: Training) -> None:
        self.width = self.console.width
        super().begin(training)
        columns = (
            plain_column("{task.description}"),
            BarColumn(bar_width=None, style="dim"),  # rich's own is nearly black, and strong on a light terminal
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
        self.pace.add(report)
        if self.due(report, BAR_SECONDS) or report.step == self.num_train_steps:
            width = self.console.width
            state = self.step_line(report, rate=width >= _WITH_RATE, speed=width >= _WITH_SPEED)
            self.bar.update(self.task, completed=report.step, state=state)

    def mid_epoch(self, report: MidEpochReport) -> None:
        """Leave a line above the bar."""
        self.pace.add_evaluation()
        for line in self.lines.header(report):
            self.console.print(Text(line, "dim"))
        line, mark = self.lines.line(report)
        self.console.print(Text.assemble(cell(line), (f"  {mark}" if mark else "", "green")))

    def epoch(self, report: EpochReport) -> None:
        """Likewise for the epoch."""
        self.mid_epoch(report)
        upcoming = min(report.epoch + 1, self.epochs)
        self.bar.update(self.task, description=f"epoch {upcoming}/{self.epochs}")

    def end(self, error: BaseException | None) -> None:
        forget(self.bar.stop)
        if error is None:  # the lines of the epochs tell more than a bar that is full
            self.bar.update(self.task, visible=False)
        self.bar.stop()

    def tables(self, *tables: Table) -> None:
        for table in tables:
            self.console.print(table)


class PlainProgress(Shown):
    """One line an event, without control codes."""

    def __init__(self, stream: IO[str], *, verbose: bool = False) -> None:
        self.stream = stream
        self.verbose = verbose

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
        self.say(f"training: {counted(self.num_train_steps, 'step')} in {counted(self.epochs, 'epoch')}")

    def step(self, report: StepReport) -> None:
        self.pace.add(report)
        if self.due(report, PLAIN_SECONDS):
            self.say(f"step {report.step:,}/{self.num_train_steps:,}  {self.step_line(report)}")

    def mid_epoch(self, report: MidEpochReport) -> None:
        self.pace.add_evaluation()
        header = self.lines.header(report)
        line, mark = self.lines.line(report)
        self.say("\n".join([*header, f"{line}  {mark}".rstrip()]))

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


class QuietProgress(RunProgress):
    """Shows what is said and the result; nothing of what is going on.

    Args:
        inner: shows these.
    """

    def __init__(self, inner: RunProgress) -> None:
        self.inner = inner
        self.width = inner.width

    def say(self, text: str) -> None:
        self.inner.say(text)

    def inform(self, text: str) -> None:
        pass

    def say_unbroken(self, text: str) -> None:
        self.inner.say_unbroken(text)

    def tables(self, *tables: Table) -> None:
        self.inner.tables(*tables)

    def finished(self, record: Record) -> None:
        self.inner.finished(record)
