"""Tables with results, written a chunk at a time: CSV, TSV, JSON Lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import IO, Any, Protocol

from glueft.inference.chunks import Chunk
from glueft.text import number_text

# A row group of Parquet has costs of its own for whoever reads it: it has this many rows, or bytes, at least.
GROUP_ROWS = 2**16
GROUP_BYTES = 2**26


class TableWriter(Protocol):
    """Writes rows with their results."""

    def write(self, chunk: Chunk, results: Sequence[Sequence[Any]]) -> None:
        """Write rows.

        Args:
            chunk: the rows.
            results: the cells of each result column, a cell a row.
        """

    def close(self) -> None:
        """Write what is left; the file itself stays open."""


def make_writer(
    kind: str, file: IO[bytes], names: Sequence[str], result_names: Sequence[str], schema: Any, *, raw: bool
) -> TableWriter:
    """Return the writer of a kind of table.

    Args:
        kind: "csv", "tsv", "jsonl" or "parquet".
        file: where to.
        names: the input's columns.
        result_names: the columns with the results.
        schema: called for the Arrow schema of the input's columns, where it is needed.
        raw: whether the input's fields hold no tabs, and TSV is thus written without quotes, as it was read.
    """
    if kind == "parquet":
        return ParquetWriter(file, names, result_names, schema())
    if kind == "jsonl":
        return JsonLinesWriter(file, result_names)
    tabs = kind == "tsv"
    return DelimitedWriter(file, names, result_names, delimiter="\t" if tabs else ",", raw=raw and tabs)


class DelimitedWriter:
    """CSV, or TSV. Fields stand in quotes where they must, or nowhere if they are `raw`; texts are never changed."""

    def __init__(
        self, file: IO[bytes], names: Sequence[str], result_names: Sequence[str], *, delimiter: str, raw: bool
    ) -> None:
        self.names = names
        self.delimiter = delimiter
        # Half characters of JSON cannot be written in UTF-8: they become the escapes that they were.
        self.text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        # Told of CRLF, the csv module puts quotes around fields with either character; the line itself ends with LF.
        self.csv = None if raw else csv.writer(_LineFeeds(self.text), delimiter=delimiter, lineterminator="\r\n")
        self._line([*names, *result_names])

    def write(self, chunk: Chunk, results: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for cells, *said in zip(chunk.rows(), *results, strict=True):
            row = [field_text(cells.get(name)) for name in self.names]
            self._line(row + [number_text(cell) if isinstance(cell, float) else cell for cell in said])

    def close(self) -> None:
        """Leave the file open for its owner."""
        self.text.flush()
        self.text.detach()

    def _line(self, fields: Sequence[str]) -> None:
        if self.csv is None:
            self.text.write(self.delimiter.join(fields) + "\n")
        else:
            self.csv.writerow(fields)


class _LineFeeds:
    def __init__(self, text: IO[str]) -> None:
        self.text = text

    def write(self, line: str) -> None:
        self.text.write(line.removesuffix("\r\n") + "\n")


class JsonLinesWriter:
    """An object a line: the input's columns as they were, then the results."""

    def __init__(self, file: IO[bytes], result_names: Sequence[str]) -> None:
        self.file = file
        self.result_names = result_names

    def write(self, chunk: Chunk, results: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for cells, *said in zip(chunk.rows(), *results, strict=True):
            row = cells | dict(zip(self.result_names, said, strict=True))
            self.file.write(plain_json(row).encode("utf-8") + b"\n")

    def close(self) -> None:
        """Do nothing: every line is written."""


class ParquetWriter:
    """The input's columns with their types, the label as text, the numbers as float64."""

    def __init__(self, file: IO[bytes], names: Sequence[str], result_names: Sequence[str], schema: Any) -> None:
        import pyarrow
        import pyarrow.parquet

        self.result_names = result_names
        self.names = names
        numbers = [pyarrow.float64()] * len(result_names)
        kinds = [pyarrow.string(), *numbers[1:]] if len(result_names) > 1 else numbers  # a score stands alone
        self.schema = schema
        for name, kind in zip(result_names, kinds, strict=True):
            self.schema = self.schema.append(pyarrow.field(name, kind))
        # What pandas noted of its columns and index holds no longer.
        self.schema = self.schema.remove_metadata()
        self.writer = pyarrow.parquet.ParquetWriter(file, self.schema)
        self.waiting: list[Any] = []

    def write(self, chunk: Chunk, results: Sequence[Sequence[Any]]) -> None:
        """Write rows, or keep them until there are enough for a row group."""
        import pyarrow

        width = len(self.names)
        if chunk.arrow is None:
            columns = [
                pyarrow.array([_typed(row.get(field.name), field.type) for row in chunk.cells], field.type)
                for field in list(self.schema)[:width]
            ]
        else:
            columns = list(chunk.arrow.columns)
        columns += [
            pyarrow.array(cells, field.type) for cells, field in zip(results, list(self.schema)[width:], strict=True)
        ]
        self.waiting.append(pyarrow.table(columns, schema=self.schema))
        rows, size = (sum(getattr(table, of) for table in self.waiting) for of in ("num_rows", "nbytes"))
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the file's end."""
        self._flush()
        self.writer.close()

    def _flush(self) -> None:
        import pyarrow

        if self.waiting:
            self.writer.write_table(pyarrow.concat_tables(self.waiting))
            self.waiting = []


def _typed(value: Any, kind: Any) -> Any:
    """A cell of JSON in a column of one type: what is no text becomes its JSON where the column is text."""
    import pyarrow

    if value is None or not pyarrow.types.is_string(kind):
        return float(value) if isinstance(value, int) and pyarrow.types.is_floating(kind) else value
    text = value if isinstance(value, str) else plain_json(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def field_text(value: Any) -> str:
    """Write a cell as text: nothing for null, JSON for what JSON alone can say."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (bool, list, dict)):
        return plain_json(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def plain_json(value: Any) -> str:
    """Write JSON on one line, letters as they are; what it has no form for as text, NaN and infinity as null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=field_text)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=field_text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # Half a character, which only an escape can write.
        return json.dumps(_finite(value), default=field_text)
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value
