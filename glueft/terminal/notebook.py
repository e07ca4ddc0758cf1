"""What a notebook shows: a run that goes on, in one output of its cell, and results as the tables of their commands."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from glueft.inference.progress import PredictionProgress, rate_text
from glueft.system.console import NOTEBOOK_WIDTH, Table, cell, for_notebook
from glueft.terminal.explanation import explanation_parts
from glueft.terminal.progress import Shown, make_progress
from glueft.terminal.python_words import in_python
from glueft.text import printable_line
from glueft.training.observers import EpochReport, MidEpochReport, RunProgress, StepReport, Training

if TYPE_CHECKING:
    import pandas

    from glueft.inference.explanation import Explanation

# Seconds between two drawings: at first, and at most.
DRAWN, RARELY_DRAWN = 0.5, 30.0


def pause(seconds: float) -> float:
    """The seconds between two drawings of what goes on for some seconds already: a hundredth of them.

    Each drawing sends the whole output to the browser: so ten hours send some thousand of them, not 72,000.
    """
    return min(max(DRAWN, seconds / 100), RARELY_DRAWN)


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
        self.output.print(*(Text(printable_line(line)) for line in in_python(text).split("\n")))

    def remark(self, text: str) -> None:
        self.output.print(Text.assemble(("! ", "bold magenta"), cell(in_python(text))))

    def begin(self, training: Training) -> None:
        super().begin(training)
        self._begun = time.perf_counter()
        self._training, self._state = training, "first step: tracing the model ..."
        self._draw()

    def step(self, report: StepReport) -> None:
        self.pace.add(report)
        if self.due(report, pause(time.perf_counter() - self._begun)) or report.step == self.num_train_steps:
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


class PredictionInNotebook:
    """How far the rows of a prediction are, in an output of the cell that is empty again when they are done.

    Args:
        output: where it is shown; short predictions show nothing.
        total: the number of rows.
    """

    def __init__(self, output: NotebookOutput, total: int) -> None:
        self.output, self.total, self.done = output, total, 0
        self.begin = self.shown = time.perf_counter()

    def rows(self, count: int) -> None:
        """Count rows."""
        self.done += count
        now = time.perf_counter()
        if now - self.shown < pause(now - self.begin):
            return
        self.shown = now
        line, state = Grid.grid(padding=(0, 1)), rate_text(self.done, self.total, now - self.begin)
        line.add_row("predicting", ProgressBar(self.total, self.done, width=30), f"{self.done:,}/{self.total:,}", state)
        self.output.show(line)

    def end(self) -> None:
        """Take it away."""
        if self.output.parts:
            self.output.show()


@contextmanager
def counted_rows(asked: bool | None, total: int) -> Iterator[Callable[[int], None] | None]:
    """Show how far a prediction is; yield what counts rows, or None where nothing is shown.

    Args:
        asked: whether it is shown, by default in a notebook alone; elsewhere it is shown as `glueft predict` shows it.
        total: the number of rows.
    """
    notebook = in_notebook()
    if not (notebook if asked is None else asked):
        yield None
    elif notebook:
        shown = PredictionInNotebook(NotebookOutput(), total)
        try:
            yield shown.rows
        finally:
            shown.end()
    else:
        progress = PredictionProgress()
        with progress.counting("predicting", total):
            yield progress.rows


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


class ExplainedRow(Content):
    """Why a model answers a row as it does: what `glueft explain --json` prints of it, shown with its words in colour.

    Args:
        told: the answer, and what is known of a run's row.
        found: the explanation; `told` gets it too.
        inputs: the names of the texts.
        heading: lines above the words.
    """

    def __init__(
        self, told: Mapping[str, Any], found: Explanation, inputs: Sequence[str], heading: Sequence[str]
    ) -> None:
        answer = found.label if found.label is not None else "score"
        super().__init__(
            {**told, "explanation": found.as_record()},
            f"explanation of {answer}: {found.baseline:.4f} with blanks, {found.logit:.4f} with the words",
            lambda _: [*(Text(printable_line(line)) for line in heading), *explanation_parts(found, inputs)],
        )
        self._found, self._inputs = found, tuple(inputs)

    @property
    def words(self) -> pandas.DataFrame:
        """What each word adds, in the order of the texts: word, score, input, and its place: start, end, in characters.

        It is empty for a tokenizer that does not tell where its tokens are.
        """
        import pandas

        rows = [
            (word.text, word.score, self._inputs[word.input], word.start, word.end) for word in self._found.words or ()
        ]
        return pandas.DataFrame(rows, columns=["word", "score", "input", "start", "end"])

    @property
    def tokens(self) -> pandas.DataFrame:
        """What each token adds, special ones too: token, score, window."""
        import pandas

        rows = [(token.token, token.score, token.window) for token in self._found.tokens]
        return pandas.DataFrame(rows, columns=["token", "score", "window"])
