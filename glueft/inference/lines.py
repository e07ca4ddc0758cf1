"""Rows that are mere lines: of standard input, or given on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from glueft.inference.chunks import Chunk, Row, gather
from glueft.inference.text_columns import TextChoice
from glueft.tables.lines import TextLines
from glueft.tables.problems import Problem, shown


class _Plain:
    """What both have in common: the columns are the task's own."""

    warnings: tuple[str, ...] = ()

    def __init__(self, choice: TextChoice) -> None:
        self.choice = choice
        self.columns = choice.inputs

    @property
    def names(self) -> tuple[str, ...]:
        """The task's names of its texts."""
        return self.columns

    def schema(self) -> Any:
        """Return an Arrow schema: text."""
        import pyarrow

        return pyarrow.schema([(name, pyarrow.string()) for name in self.columns])

    def _gather(self, rows: Iterator[Row]) -> Iterator[Chunk]:
        yield from gather(rows, len(self.columns), self.choice.reader(self.columns))


class TextStream(_Plain):
    """Lines as they come, a text in each, or two with a tab between them; see `RowSource`.

    Args:
        content: where they come from; read once.
        choice: which texts a row has.
    """

    name = "standard input"
    unit = "line"
    repeats = False

    def __init__(self, content: IO[bytes], choice: TextChoice) -> None:
        super().__init__(choice)
        self.content = content
        self.raw = len(self.columns) == 2  # A single text may hold tabs.

    def chunks(self) -> Iterator[Chunk]:
        """Yield all lines, checked."""
        yield from self._gather(self._rows())

    def _rows(self) -> Iterator[Row]:
        lines = TextLines(Path(self.name), self.content)
        for number, line in enumerate(lines, start=1):
            line = line.removesuffix("\n").removesuffix("\r")
            texts = line.split("\t") if len(self.columns) == 2 else [line]
            problem = lines.problems.pop() if lines.problems else _carriage_return(number, line)
            if problem is None and len(texts) != len(self.columns):
                problem = Problem(
                    number,
                    "no tab" if len(texts) == 1 else f"{len(texts) - 1} tabs",
                    f"two texts with one tab between them: {' and '.join(map(shown, self.columns))}",
                    shown(line),
                    "write the second text into the same line, behind a tab",
                )
            if problem is None:
                yield Row(number, dict(zip(self.columns, texts, strict=True)), len(line))
            else:
                yield Row(number, None, len(line), content=line, problem=problem)


class GivenTexts(_Plain):
    """Rows of texts that are there already; see `RowSource`."""

    name = "the command line"
    unit = "text"
    repeats = True
    raw = False

    def __init__(self, rows: Sequence[Sequence[str]], choice: TextChoice) -> None:
        super().__init__(choice)
        self.rows = rows

    def chunks(self) -> Iterator[Chunk]:
        """Yield all texts, checked."""
        yield from self._gather(
            Row(number, dict(zip(self.columns, texts, strict=True)), sum(map(len, texts)))
            for number, texts in enumerate(self.rows, start=1)
        )


def _carriage_return(number: int, line: str) -> Problem | None:
    if "\r" not in line:
        return None
    return Problem(
        number,
        "a carriage return that ends no line",
        "lines that end with LF or CRLF",
        f"byte 0x0d in {shown(line)}",
        "take the carriage return out, or convert the line ends to LF",
    )
