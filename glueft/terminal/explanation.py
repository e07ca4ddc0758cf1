"""An explanation on the terminal: the texts with their words in colour, and the words that add most."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import IO

from rich.console import RenderableType
from rich.style import Style
from rich.text import Text

from glueft.inference.explanation import Explanation, Word
from glueft.system.console import PlainConsole, Table
from glueft.text import counted, printable_line, say

WORDS_SHOWN = 10
# Of the strongest word of a row: weaker ones keep the terminal's own colour.
FAINT, STRONG = 0.1, 0.5


def print_explanation(found: Explanation, inputs: Sequence[str], stream: IO[str] | None = None) -> None:
    """Print an explanation.

    Args:
        found: what is printed.
        inputs: the names of the texts.
        stream: where to; standard output by default.
    """
    console = PlainConsole(stream or sys.stdout)
    for part in explanation_parts(found, inputs):
        if console.is_terminal:
            console.print(part, soft_wrap=isinstance(part, Text))
            continue
        with console.capture() as captured:
            console.print(part, soft_wrap=isinstance(part, Text))
        # A table pads its lines to one width.
        say(*(line.rstrip() for line in captured.get().splitlines()), stream=console.file)


def explanation_parts(found: Explanation, inputs: Sequence[str]) -> Iterator[RenderableType]:
    """Yield the texts in colour, where they are known, the sum, and the words that add most."""
    if found.words is not None:
        strongest = max((abs(word.score) for word in found.words), default=0.0)
        for number, (name, text) in enumerate(zip(inputs, found.texts, strict=True)):
            words = [word for word in found.words if word.input == number]
            yield Text.assemble((f"{printable_line(name)}: ", "bold")) + _coloured(text, words, strongest)
    yield Text(_sums(found))
    if found.truncated:
        yield Text("the row is longer than the model reads: what was cut off adds nothing")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("word", overflow="fold")
    if len(inputs) > 1:
        table.add_column("text", no_wrap=True)
    shown = _strongest(found, inputs)
    for score, word, name in shown[:WORDS_SHOWN]:
        table.add_row(f"{score:+.4f}", word, *([name] if len(inputs) > 1 else []))
    yield table
    if len(shown) > WORDS_SHOWN:
        rest = sum(score for score, *_ in shown[WORDS_SHOWN:])
        what = "token" if found.words is None else "word"
        yield Text(f"{rest:+.4f}  {counted(len(shown) - WORDS_SHOWN, f'other {what}')}")


def _sums(found: Explanation) -> str:
    what = "score" if found.label is None else f"logit of {printable_line(found.label)}"
    change = found.logit - found.baseline
    return f"{what}: {found.baseline:.4f} (blanks) {change:+.4f} (words) = {found.logit:.4f}, error {found.error:+.1g}"


def _strongest(found: Explanation, inputs: Sequence[str]) -> list[tuple[float, str, str]]:
    """The score, the word and the name of its text, the strongest first; tokens where words are not known."""
    if found.words is None:
        parts = [(token.score, token.token, "") for token in found.tokens if token.score]
    else:
        parts = [
            (word.score, word.text if word.text.strip() else f'"{word.text}"', inputs[word.input])
            for word in found.words
        ]
    return sorted(parts, key=lambda part: -abs(part[0]))


def _coloured(text: str, words: Sequence[Word], strongest: float) -> Text:
    """The text, with words that speak for the label in green and those against it in red, strong ones bold."""
    coloured, end = Text(), 0
    for word in words:
        begin = max(word.start, end)  # Windows that overlap may cut a word.
        coloured.append(printable_line(text[end:begin]))
        coloured.append(printable_line(text[begin : word.end]), style=_style(word.score, strongest))
        end = max(end, word.end)
    return coloured.append(printable_line(text[end:]))


def _style(score: float, strongest: float) -> Style:
    if abs(score) <= FAINT * strongest:
        return Style()
    strong = abs(score) >= STRONG * strongest
    return Style(color="green" if score > 0 else "red", bold=strong, underline=strong)
