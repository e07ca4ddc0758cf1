"""Rows without a table: lines of standard input, and texts of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from glueft.inference.rows import Row, RowSource
from glueft.inference.text_columns import TextChoice
from glueft.tables.lines import TextLines, stray_return
from glueft.tables.problems import Problem, shown


class TextStream(RowSource):
    """Lines as they come, a text in each, or two with a tab between them."""

    name = "standard input"
    repeats = False

    def __init__(self, content: IO[bytes], choice: TextChoice) -> None:
        super().__init__(choice)
        self.content, self.columns = content, choice.inputs
        self.raw = len(self.columns) == 2  # A single text may hold tabs.

    def rows(self) -> Iterator[Row]:
        lines = TextLines(Path(self.name), content=self.content)
        for number, line in enumerate(lines, start=1):
            line = line.removesuffix("\n").removesuffix("\r")
            texts = line.split("\t") if len(self.columns) == 2 else [line]
            problem = lines.problem() or (stray_return(number) if "\r" in line else None)
            if problem is None and len(texts) != len(self.columns):
                problem = Problem(
                    number,
                    "no tab" if len(texts) == 1 else f"{len(texts) - 1} tabs",
                    f"two texts with one tab between them: {' and '.join(map(shown, self.columns))}",
                    shown(line),
                    "write the second text into the same line, behind a tab",
                )
            content = line if problem else dict(zip(self.columns, texts, strict=True))
            yield Row(number, content, len(line), problem)


class GivenTexts(RowSource):
    """Rows of texts that are there already."""

    unit = "text"

    def __init__(self, texts: Sequence[Sequence[Any]], choice: TextChoice, name: str = "the command line") -> None:
        super().__init__(choice)
        self.texts, self.columns, self.name = texts, choice.inputs, name

    def rows(self) -> Iterator[Row]:
        for number, texts in enumerate(self.texts, start=1):
            yield Row(number, dict(zip(self.columns, texts, strict=True)), sum(len(str(text)) for text in texts))
