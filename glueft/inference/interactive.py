"""A conversation on the terminal: a text, its answer, and the next text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from glueft.inference.printing import answer_lines
from glueft.inference.text_columns import TextChoice
from glueft.tables.cells import CellError
from glueft.text import printable_line, say

if TYPE_CHECKING:
    from glueft.training.text_model import TextModel

HELP = "An empty line or Ctrl-D ends."


def converse(model: TextModel, choice: TextChoice) -> None:
    """Ask for the texts of a row and answer, until a line is empty or there are no more."""
    with suppress(ImportError):
        import readline  # noqa: F401  # gives `input` its line editing and history
    texts_of = choice.reader(choice.inputs)
    while True:
        cells: dict[str, str] = {}
        for name in choice.inputs:
            try:
                line = input(f"{printable_line(name)}> ")
            except EOFError:
                say("")  # The prompt's line has no end yet.
                return
            except UnicodeDecodeError:
                say("that line is not UTF-8 text; set the terminal to UTF-8, or give a file with --input")
                break
            if not line.strip():
                return
            cells[name] = line
        else:
            try:
                texts = texts_of(cells)
            except CellError as error:
                say(f"{error.message}: {error.fix}")
                continue
            answers = model.answer([[text] for text in texts])
            say(*(f"  {line}" for line in answer_lines(answers, model.labels)))
            if answers.truncated:
                say(f"  (cut to the first {model.max_length} tokens, all that this model reads)")
