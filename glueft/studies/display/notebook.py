"""Shows a study in a notebook: the live table of the terminal, in one output of its cell."""

from __future__ import annotations

import io
import sys
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from glueft.studies.display.progress import LiveStudyProgress, StudyProgress, make_study_progress
from glueft.system.console import NOTEBOOK_WIDTH, PlainConsole
from glueft.terminal.notebook import NotebookOutput, in_notebook
from glueft.terminal.python_words import in_python
from glueft.text import printable_line

# Lines of the table, as a notebook has no height.
HEIGHT = 25


def study_progress_of(asked: StudyProgress | bool | None) -> StudyProgress:
    """Return what shows a study; `asked` is as in `glueft.terminal.notebook.progress_of`."""
    if isinstance(asked, StudyProgress):
        return asked
    notebook = in_notebook()
    if not (notebook if asked is None else asked):
        return StudyProgress()
    return NotebookStudyProgress(NotebookOutput()) if notebook else make_study_progress(sys.stdout)


class NotebookStudyProgress(LiveStudyProgress):
    """The table with the lines above it."""

    def __init__(self, output: NotebookOutput) -> None:
        super().__init__(PlainConsole(io.StringIO(), width=NOTEBOOK_WIDTH, height=HEIGHT))
        self.output = output

    def say(self, line: str) -> None:
        self.output.print(Text(printable_line(in_python(line))))

    def _opened(self) -> Any:
        return _Live(self.output)


class _Live:
    """What draws the table, in the place of rich's `Live`."""

    def __init__(self, output: NotebookOutput) -> None:
        self.output = output

    def update(self, table: RenderableType, *, refresh: bool) -> None:
        self.output.show(table)

    def stop(self) -> None:
        """The last table stays."""
