"""The one way to a rich console and to its tables: every text in them is shown as it is, none is markup or control."""

from __future__ import annotations

import io
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.progress import TextColumn
from rich.table import Table as RichTable
from rich.text import Text

from glueft.text import printable, printable_line

# Plain output reports a step about this often: enough to see life, few enough lines for a log file.
PLAIN_SECONDS = 10.0

# Characters in a line of a notebook, whose outputs scroll sideways.
NOTEBOOK_WIDTH = 110
_NOTEBOOK_HTML = """<pre style="white-space:pre;overflow-x:auto;line-height:normal;\
font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace">{code}</pre>"""


class PlainConsole(Console):
    """A console that gives `[red]`, `:smile:` and ESC no meaning, wherever a text is handed to it.

    Styles are given as `rich.text.Text`, made of texts that `printable` or `printable_line` has passed.
    """

    def __init__(self, stream: IO[str], **options: Any) -> None:
        # In a notebook too it writes to its stream, and displays nothing by itself.
        settings = {"markup": False, "emoji": False, "highlight": False, "force_jupyter": False}
        super().__init__(file=stream, **settings, **options)  # type: ignore[arg-type]

    @property
    def is_live(self) -> bool:
        """Whether lines can be drawn anew: it is a terminal whose cursor moves.

        FORCE_COLOR, which CI sets, asks rich for colours in a pipe; every frame of a bar would stand in its log.
        """
        return self.is_terminal and not self.is_dumb_terminal and self.file.isatty()

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to be rendered, a title and a cell too, as it is."""
        return super().render_str(printable(text), **options | {"markup": False, "emoji": False, "highlight": False})


class Table(RichTable):
    """A table whose title, headers and cells are texts from anywhere, a cell one line."""

    def __init__(self, title: str | None = None, **options: Any) -> None:
        style = options.get("title_style") or "table.title"
        # rich would break it at the width of the columns.
        whole = None if title is None else Text(printable_line(title), style, no_wrap=True, overflow="ignore")
        super().__init__(title=whole, **options)

    def add_column(self, header: RenderableType = "", *arguments: Any, **options: Any) -> None:
        """Add a column."""
        super().add_column(cell(header), *arguments, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*map(cell, cells), **options)


def for_notebook(*parts: RenderableType) -> dict[str, str]:
    """Return texts, tables and bars as a notebook takes them, by MIME type: HTML in which all is text, and text."""
    if not parts:
        return {"text/html": "", "text/plain": ""}
    console = PlainConsole(io.StringIO(), record=True, width=NOTEBOOK_WIDTH, force_terminal=False)
    # An empty line around each table.
    spaced: list[RenderableType] = []
    for part in parts:
        last = spaced[-1] if spaced else ""
        is_apart = (isinstance(part, Table) or isinstance(last, Table)) and "" not in (str(part), str(last))
        spaced += ["", part] if is_apart else [part]
    console.print(Group(*spaced), end="", crop=False)  # lines that are not to be broken may be longer
    return {
        "text/html": console.export_html(inline_styles=True, code_format=_NOTEBOOK_HTML, clear=False),
        "text/plain": console.export_text(),
    }


def cell(content: RenderableType | None) -> Any:
    """A text as what a table, a status or a bar shows as it is; other things of rich stay what they are."""
    return Text(printable_line(content)) if isinstance(content, str) else content


def unbroken(line: str) -> Text:
    """Return a line of `for_notebook` that stays one line, however long it is."""
    return Text(printable_line(line), no_wrap=True, overflow="ignore")


def plain_column(field: str) -> TextColumn:
    """A column of a bar that shows a field of its task, such as `{task.description}`, as it is."""
    return TextColumn(field, markup=False)
