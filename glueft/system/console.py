"""The one way to a rich console and to its tables: every text in them is shown as it is, none is markup or control."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console, RenderableType
from rich.progress import TextColumn
from rich.table import Table as RichTable
from rich.text import Text

from glueft.text import printable, printable_line

# Plain output reports a step about this often: enough to see life, few enough lines for a log file.
PLAIN_SECONDS = 10.0


class PlainConsole(Console):
    """A console that gives `[red]`, `:smile:` and ESC no meaning, wherever a text is handed to it.

    Styles are given as `rich.text.Text`, made of texts that `printable` or `printable_line` has passed.
    """

    def __init__(self, stream: IO[str], **options: Any) -> None:
        super().__init__(file=stream, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to be rendered, a title and a cell too, as it is."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False, "highlight": False})


class Table(RichTable):
    """A table whose title, headers and cells are texts from anywhere, a cell one line."""

    def __init__(self, title: str | None = None, **options: Any) -> None:
        super().__init__(title=None if title is None else printable_line(title), **options)

    def add_column(self, header: RenderableType = "", *arguments: Any, **options: Any) -> None:
        """Add a column."""
        super().add_column(cell(header), *arguments, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*map(cell, cells), **options)


def cell(content: RenderableType | None) -> Any:
    """A text as what a table, a status or a bar shows as it is; other things of rich stay what they are."""
    return Text(printable_line(content)) if isinstance(content, str) else content


def plain_column(field: str) -> TextColumn:
    """A column of a bar that shows a field of its task, such as `{task.description}`, as it is."""
    return TextColumn(field, markup=False)
