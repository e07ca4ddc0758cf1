"""What a notebook shows: a run that goes on, in one output of its cell, and results as the tables of their commands."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from glueft.system.console import NOTEBOOK_WIDTH, Table, cell, for_notebook
from glueft.terminal.progress import Shown, make_progress
from glueft.text import printable_line
from glueft.training.observers import EpochReport, MidEpochReport, RunProgress, StepReport, Training

# Seconds between two drawings.
DRAWN = 0.5


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    IPython = sys.modules.get("IPython")  # noqa: N806
    return IPython is not None and getattr(IPython.get_ipython(), "kernel", None) is not None


def progress_of(asked: RunProgress | bool | None) -> RunProgress:
    """Return what shows a run.

    Args:
        asked: what shows it; or whether it is shown, by default in a notebook alone.
    """
    if isinstance(asked, RunProgress):
        return asked
    notebook = in_notebook()
    if not (notebook if asked is None else asked):
        return RunProgress()
    return NotebookProgress(NotebookOutput()) if notebook else make_progress(sys.stdout)


class NotebookOutput:
    """One output of a cell, drawn anew as it changes: lines that stay, and parts below. Any thread may change it.

    Args:
        draw: shows content by MIME type, in the place of what it has shown; in the cell that is executed if None.
    """

    def __init__(self, draw: Callable[[dict[str, str]], None] | None = None) -> None:
        self.lines: list[RenderableType] = []
        self.parts: tuple[RenderableType, ...] = ()
        self._draw = draw or _Display()
        self._lock = threading.RLock()

    def print(self, *lines: RenderableType) -> None:
        """Add lines, which stay."""
        with self._lock:
            self.lines += lines
            self._draw(for_notebook(*self.lines, *self.parts))

    def show(self, *parts: RenderableType) -> None:
        """Show these parts below the lines, in place of those before."""
        with self._lock:
            self.parts = parts
            self._draw(for_notebook(*self.lines, *self.parts))


class _Display:
    """Displays content in the cell that is executed, and from then on in its place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, content: dict[str, str]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class NotebookProgress(Shown):
    """What a terminal shows, a bar while the model trains among it, in one output."""

    width = NOTEBOOK_WIDTH

    def __init__(self, output: NotebookOutput) -> None:
        self.output = output

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name the phase while it goes on."""
        self.output.show(Text(printable_line(f"{name} ..."), "dim"))
        try:
            yield
        finally:
            self.output.show()

    def say(self, text: str) -> None:
        self.output.print(*(Text(printable_line(line)) for line in text.split("\n")))

    def remark(self, text: str) -> None:
        self.output.print(Text.assemble(("! ", "bold magenta"), cell(text)))

    def begin(self, training: Training) -> None:
        super().begin(training)
        self._training, self._state = training, "first step: tracing the model ..."
        self._draw()

    def step(self, report: StepReport) -> None:
        self.pace.add(report)
        if self.due(report, DRAWN) or report.step == self.num_train_steps:
            self._state = self.step_line(report)
            self._draw()

    def mid_epoch(self, report: MidEpochReport) -> None:
        """Leave a line above the bar."""
        self.pace.add_evaluation()
        header = [Text(line, "dim") for line in self.lines.header(report)]
        line, mark = self.lines.line(report)
        self.output.print(*header, Text.assemble(cell(line), (f"  {mark}" if mark else "", "green")))

    def epoch(self, report: EpochReport) -> None:
        self.mid_epoch(report)
        self._draw()

    def end(self, error: BaseException | None) -> None:
        self.output.show()

    def tables(self, *tables: Table) -> None:
        self.output.print(*tables)

    def _draw(self) -> None:
        line = Grid.grid(padding=(0, 1))
        bar = ProgressBar(max(1, self.num_train_steps), self._training.step, width=30)
        epoch = f"epoch {min(len(self._training.epochs) + 1, self.epochs)}/{self.epochs}"
        line.add_row(epoch, bar, f"{self._training.step:,}/{self.num_train_steps:,}", cell(self._state))
        self.output.show(line)


class Content(dict[str, Any]):
    """What a command prints with `--json`: a dict, which a notebook, and `print`, show as the tables of the command."""

    def __init__(
        self, content: Mapping[str, Any], title: str, draw: Callable[[dict[str, Any]], Iterable[RenderableType]]
    ) -> None:
        super().__init__(content)
        self._title, self._draw = title, draw

    def __repr__(self) -> str:
        return f"<{printable_line(self._title)}>"

    def __str__(self) -> str:
        return for_notebook(*self._draw(self))["text/plain"]

    def _repr_html_(self) -> str:
        return for_notebook(*self._draw(self))["text/html"]
