"""Rows on their way through a prediction: so many at a time that they fit in memory, the bad ones set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from glueft.tables.cells import CellError
from glueft.tables.problems import Problem

# Rows read, tokenized and predicted together. Rows of like length share a batch within a chunk: of 8,192 rows, next to
# no padding is left, and their texts take a few megabytes.
CHUNK_ROWS = 8192

# Fewer rows make a chunk where they are long: a tokenizer takes some 25 bytes for each character while it works.
CHUNK_CHARACTERS = 2**23

# So many of them a cell counts for beside its text: a table may have a hundred thousand columns, and all of them empty.
CELL_CHARACTERS = 8

Texts = tuple[str, ...]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be predicted: why, and what was read of it."""

    problem: Problem
    content: Any


@dataclass(frozen=True)
class Row:
    """A row as its file holds it.

    Attributes:
        number: of its line or row, from 1.
        cells: by column; None for a row that has no cells, as its `problem` says.
        content: what to show of a row without cells.
        problem: what is wrong with the row already, if anything is.
        size: its characters, about.
    """

    number: int
    cells: dict[str, Any] | None
    size: int
    content: Any = None
    problem: Problem | None = None


@dataclass
class Chunk:
    """Rows in the order of their file.

    Attributes:
        numbers: where each row begins.
        texts: for each of the model's inputs, a text a row.
        cells: the columns of each row.
        bad: rows that are left out of the three above.
        arrow: the rows as an Arrow table, where the file is Parquet; `cells` is then empty.
    """

    numbers: list[int] = field(default_factory=list)
    texts: tuple[list[str], ...] = ()
    cells: list[dict[str, Any]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    arrow: Any = None

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self) -> list[dict[str, Any]]:
        """Return the columns of each row, also of an Arrow table."""
        return self.cells if self.arrow is None else self.arrow.to_pylist()


class RowSource(Protocol):
    """Where rows come from.

    Attributes:
        name: of the file, for messages.
        unit: what a row's number counts: "line", "row" or "text".
        names: the columns; of JSON Lines those that were met so far.
        raw: whether fields are written as they are, without quotes around them, and hold no tabs.
        repeats: whether `chunks` may be called again, and gives the same rows.
        warnings: once they were read to their end, what the user should know of the rows.
    """

    name: str
    unit: str
    raw: bool
    repeats: bool
    warnings: tuple[str, ...]

    @property
    def names(self) -> Sequence[str]:
        """The columns."""

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows, checked.

        Raises:
            DataError: the rest of the file cannot be read.
        """

    def schema(self) -> Any:
        """Return the Arrow schema of the columns. JSON Lines must have been read once."""


def gather(rows: Iterator[Row], inputs: int, texts_of: Callable[[Mapping[str, Any]], Texts]) -> Iterator[Chunk]:
    """Put rows together to chunks, the bad ones apart.

    Args:
        rows: in the order of the file.
        inputs: texts a row.
        texts_of: the texts of a row's cells; raises CellError where there are none.
    """
    chunk = _empty(inputs)
    size = 0
    for row in rows:
        problem = row.problem
        if problem is None:
            assert row.cells is not None
            try:
                texts = texts_of(row.cells)
            except CellError as error:
                problem = Problem(row.number, error.message, error.expected, error.received, error.fix)
        if problem is None:
            assert row.cells is not None
            chunk.numbers.append(row.number)
            chunk.cells.append(row.cells)
            for column, text in zip(chunk.texts, texts, strict=True):
                column.append(text)
        else:
            chunk.bad.append(BadRow(problem, row.content if row.cells is None else row.cells))
        size += row.size
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_CHARACTERS or len(chunk.bad) == CHUNK_ROWS:
            yield chunk
            chunk, size = _empty(inputs), 0
    if len(chunk) or chunk.bad:
        yield chunk


def _empty(inputs: int) -> Chunk:
    return Chunk(texts=tuple([] for _ in range(inputs)))
