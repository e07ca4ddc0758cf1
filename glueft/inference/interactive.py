"""A conversation: a text, its answer, and the next text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from glueft.inference.printing import answer_lines
from glueft.inference.text_columns import TextChoice
from glueft.tables.cells import CellError
from glueft.text import printable_line

if TYPE_CHECKING:
    from glueft.training.text_predictor import Predictor

HELP = "An empty line or Ctrl-D ends."


def converse(predictor: Predictor, choice: TextChoice, ask: Callable[[str], str], say: Callable[[str], None]) -> int:
    """Ask for texts until there are no more, and return how many rows were answered.

    Args:
        predictor: the model.
        choice: what the texts of a row are called.
        ask: shows a prompt and returns a line; raises EOFError when there are no more.
        say: shows a line.
    """
    reader = choice.reader(choice.inputs)
    answered = 0
    while True:
        cells: dict[str, str] = {}
        for name in choice.inputs:
            try:
                line = ask(f"{printable_line(name)}> ")
            except EOFError:
                say("")  # The prompt's line has no end yet.
                return answered
            except UnicodeDecodeError:
                say("that line is not UTF-8 text; set the terminal to UTF-8, or give a file with --input")
                break
            if not line.strip():
                return answered
            cells[name] = line
        else:
            try:
                texts = reader(cells)
            except CellError as error:
                say(f"{error.message}: {error.fix}")
                continue
            answers = predictor.answer([[text] for text in texts])
            for shown_line in answer_lines(answers, predictor.saved.labels):
                say("  " + shown_line)
            if answers.truncated:
                say(f"  (cut to the first {predictor.saved.max_length} tokens, all that this model reads)")
            answered += 1
