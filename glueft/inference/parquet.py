"""Parquet files, by pyarrow, a few pages at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from glueft.errors import DataError
from glueft.inference.chunks import CELL_CHARACTERS, CHUNK_CHARACTERS, CHUNK_ROWS, BadRow, Chunk
from glueft.inference.text_columns import TextChoice, check_once
from glueft.tables.cells import CellError
from glueft.tables.problems import Problem

# Bytes read ahead for each column: whole column chunks, the library's habit, may be as large as the file.
READ_AHEAD = 2**16


class ParquetTable:
    """A Parquet file; see `RowSource`.

    Args:
        path: the file.
        choice: which columns hold the texts.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """

    unit = "row"
    raw = False
    repeats = True
    warnings: tuple[str, ...] = ()

    def __init__(self, path: Path, choice: TextChoice) -> None:
        self.path, self.name, self.choice = path, str(path), choice
        with path.open("rb") as content:
            self._schema = self._read(content).schema_arrow
        check_once(self.name, self._schema.names)
        self.columns = choice.columns(self.name, self._schema.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self._schema.names)

    def schema(self) -> Any:
        """Return the file's own schema."""
        return self._schema

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows, checked."""
        import pyarrow

        number = 1
        with self.path.open("rb") as content:
            file = self._read(content)
            try:
                for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata)):
                    yield self._chunk(number, pyarrow.Table.from_batches([batch]))
                    number += batch.num_rows
            except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
                raise self._broken(error) from None

    def _read(self, content: IO[bytes]) -> Any:
        import pyarrow
        import pyarrow.parquet

        try:
            return pyarrow.parquet.ParquetFile(content, buffer_size=READ_AHEAD, pre_buffer=False)
        except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
            raise self._broken(error) from None

    def _chunk(self, first: int, table: Any) -> Chunk:
        reader = self.choice.reader(self.columns)
        columns = [table.column(column).to_pylist() for column in self.columns]
        chunk = Chunk(texts=tuple([] for _ in self.columns))
        kept = []
        for place, cells in enumerate(zip(*columns, strict=True)):
            try:
                texts = reader(dict(zip(self.columns, cells, strict=True)))
            except CellError as error:
                problem = Problem(first + place, error.message, error.expected, error.received, error.fix)
                chunk.bad.append(BadRow(problem, table.slice(place, 1).to_pylist()[0]))
                continue
            kept.append(place)
            chunk.numbers.append(first + place)
            for column, text in zip(chunk.texts, texts, strict=True):
                column.append(text)
        chunk.arrow = table if len(kept) == table.num_rows else table.take(kept)
        return chunk

    def _broken(self, error: Exception) -> DataError:
        return DataError(
            f"{self.name} cannot be read as Parquet",
            expected="a Parquet file, whole, with text in UTF-8",
            received=(str(error).splitlines() or [type(error).__name__])[0],
            fix="write the file again, for example with pandas: frame.to_parquet(path)",
        )


def _rows_at_once(metadata: Any) -> int:
    """Rows of a batch: a chunk's, or fewer where they are large."""
    bytes_all = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    size = max(bytes_all / max(1, metadata.num_rows), CELL_CHARACTERS * metadata.num_columns)
    return max(1, min(CHUNK_ROWS, int(CHUNK_CHARACTERS / max(1.0, size))))
