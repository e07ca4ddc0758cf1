"""Rows to predict: where they come from, read in chunks that fit in memory, the bad ones set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from glueft.inference.text_columns import TextChoice, Texts
from glueft.tables.cells import CellError
from glueft.tables.problems import Problem

# Rows read, tokenized and predicted together. Rows of similar length share a batch within a chunk: of 8,192 rows, next
# to no padding is left, and their texts take a few megabytes.
CHUNK_ROWS = 8192

# Fewer rows make a chunk where they are long: a tokenizer takes some 25 bytes for each character while it works.
CHUNK_CHARACTERS = 2**23

# What a cell takes beside its text, in characters: a table may have a hundred thousand columns, and all of them empty.
CELL_CHARACTERS = 8


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be predicted: why, and what was read of it."""

    problem: Problem
    content: Any


class Row(NamedTuple):
    """A row as it was read."""

    number: int  # of its line or row, from 1
    content: Any  # its cells by column; of a row with a problem whatever was read
    size: int  # in characters, about
    problem: Problem | None = None


@dataclass
class Chunk:
    """Rows in the order of their file."""

    texts: tuple[list[str], ...]  # for each of the model's inputs, a text a row
    rows: Any = field(default_factory=list)  # the cells of each row by column; of Parquet an Arrow table
    bad: list[BadRow] = field(default_factory=list)  # left out of the two above

    def __len__(self) -> int:
        return len(self.texts[0])

    def parts(self, size: int) -> Iterator[Chunk]:
        """Yield the good rows, `size` at once."""
        for first in range(0, len(self), size):
            within = slice(first, first + size)
            rows = self.rows[within] if isinstance(self.rows, list) else self.rows.slice(first, size)
            yield Chunk(tuple(column[within] for column in self.texts), rows)

    def add(self, row: Row, texts_of: Callable[[Mapping[str, Any]], Texts]) -> bool:
        """Add the texts of a row, and return whether it has them; else add it to the bad ones."""
        problem = row.problem
        if problem is None:
            try:
                for column, text in zip(self.texts, texts_of(row.content), strict=True):
                    column.append(text)
            except CellError as error:
                problem = error.at(row.number)
        if problem is not None:
            self.bad.append(BadRow(problem, row.content))
        return problem is None


class RowSource:
    """Where rows come from."""

    name: str  # of the file, for messages
    unit = "line"  # what the numbers of rows count
    columns: Sequence[str]  # those with the texts
    raw = False  # whether fields stand without quotes and hold no tabs
    repeats = True  # whether the rows can be read again
    warnings: tuple[str, ...] = ()  # complete when all rows were read

    def __init__(self, choice: TextChoice) -> None:
        self.choice = choice

    @property
    def names(self) -> Sequence[str]:
        """The columns; of JSON Lines those met so far."""
        return self.columns

    def schema(self) -> Any:
        """Return the Arrow schema of the columns; JSON Lines must have been read once."""
        import pyarrow

        return pyarrow.schema([(name, pyarrow.string()) for name in self.names])

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows, checked.

        Raises:
            DataError: the rest of the file cannot be read.
        """
        texts_of = self.choice.reader(self.columns)
        chunk, size = self.empty_chunk(), 0
        for row in self.rows():
            if chunk.add(row, texts_of):
                chunk.rows.append(row.content)
            size += row.size
            if len(chunk) == CHUNK_ROWS or size >= CHUNK_CHARACTERS or len(chunk.bad) == CHUNK_ROWS:
                yield chunk
                chunk, size = self.empty_chunk(), 0
        if len(chunk) or chunk.bad:
            yield chunk

    def empty_chunk(self) -> Chunk:
        return Chunk(tuple([] for _ in self.columns))

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one."""
        raise NotImplementedError
