"""Tables with rows to predict: CSV, TSV, JSON Lines and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from glueft.errors import DataError
from glueft.inference.own_files import column_names, headerless_file, is_own_header
from glueft.inference.rows import CELL_CHARACTERS, CHUNK_CHARACTERS, CHUNK_ROWS, BadRow, Chunk, Row, RowSource
from glueft.inference.text_columns import TextChoice
from glueft.tables.delimited import Delimited, read_records
from glueft.tables.json_lines import read_json_lines
from glueft.tables.missing import beside, check_once, no_rows, unreadable
from glueft.tables.parquet import open_parquet
from glueft.tables.problems import Problems
from glueft.tables.quotes import spans_lines
from glueft.tables.suffixes import DELIMITERS, TableFormat, format_of
from glueft.text import counted

LINES = "give a text a line on standard input: --input -"

# A column of JSON Lines with values of one of these kinds alone keeps its type in Parquet.
ARROW_TYPES = {
    frozenset({str}): "string",
    frozenset({bool}): "bool_",
    frozenset({int}): "int64",
    frozenset({float}): "float64",
    frozenset({int, float}): "float64",
}
INT64 = range(-(2**63), 2**63)


def open_table(path: Path, choice: TextChoice) -> RowSource:
    """Open a CSV, TSV, JSON Lines or Parquet file.

    Raises:
        DataError: it cannot be read, or has not the columns.
    """
    form = format_of(path, DataError, "read", f"rename the file by what it holds, or {LINES}")
    if not path.is_file():
        raise _no_file(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from None
    if form.kind == "parquet":
        return ParquetTable(path, choice)
    return JsonLinesTable(path, form, choice) if form.kind == "jsonl" else DelimitedTable(path, form, choice)


def _no_file(path: Path) -> DataError:
    if path.is_dir():
        received, fix = "a folder", "name a file in it"
    elif path.exists():
        received = "something that is no regular file, and rows are read twice"
        fix = f"copy it to a file, or {LINES}"
    else:
        received, fix = "no such file", beside(path)
    return DataError(f"{path} cannot be read", expected="a file with rows", received=received, fix=fix)


class DelimitedTable(RowSource):
    """A CSV or TSV file; GLUE's own among them, which have no quotes and sometimes no header line."""

    def __init__(self, path: Path, form: TableFormat, choice: TextChoice) -> None:
        super().__init__(choice)
        self.path, self.name, self.compression = path, str(path), form.compression
        self.delimiter = choice.delimiter or choice.layout.delimiter or DELIMITERS[form.kind]
        tabs = self.delimiter == "\t"
        first = self._first(quotes=False)
        headerless = headerless_file(choice.task, path.name, first) if tabs else None
        own = tabs and (headerless is not None or is_own_header(choice.task, first))
        self.header = headerless is None
        self.quotes = _quotes(choice, own=own)
        self.raw = tabs and self.quotes is False
        if self.quotes is not False:
            first = self._first(quotes=self.quotes)
        self._names = tuple(first) if headerless is None else column_names(headerless, len(first))
        check_once(path, self._names)
        self.columns = choice.columns(self.name, self._names, separated=True) if self.header else choice.inputs

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    def _form(self, *, quotes: bool | None) -> Delimited:
        return Delimited(self.delimiter, quotes, self.compression, "add --no-quotes", "add --quotes")

    def _first(self, *, quotes: bool | None) -> list[str]:
        """Return the fields of the first line that has any."""
        with closing(read_records(self.path, self._form(quotes=quotes))) as records:
            for record in records:
                if record.problem is not None:
                    raise Problems(record.problem).error(self.path)
                return record.fields
        raise no_rows(self.path, "a line that names the columns, and a row or more below it")

    def rows(self) -> Iterator[Row]:
        header = self.header
        over_lines: list[int] = []
        with closing(read_records(self.path, self._form(quotes=self.quotes))) as records:
            for line, fields, problem, fatal in records:
                if header:
                    header = False
                    continue
                if problem is not None and fatal:
                    raise Problems(problem).error(self.path)
                if self.quotes is None and len(fields) == 1 and problem is None and spans_lines(fields):
                    over_lines.append(line)
                content: Any = fields if problem else dict(zip(self._names, fields, strict=True))
                yield Row(line, content, sum(map(len, fields)) + CELL_CHARACTERS * len(fields), problem)
        # In a file of one column any line would be a row: nothing tells what the quotes are for.
        self.warnings = (_over_lines(over_lines),) if over_lines else ()


def _quotes(choice: TextChoice, *, own: bool) -> bool | None:
    """Return `Delimited.quotes`: as asked for; else as usual, and then rows that a quote swallows are errors."""
    if choice.quotes is not None:
        return choice.quotes
    usual = choice.layout.quotes if choice.layout.quotes is not None else not own
    return None if usual else False


def _over_lines(lines: list[int]) -> str:
    return (
        f"quotes make one text of several lines in {counted(len(lines), 'row')}, first in line {lines[0]}; "
        "where quotes are mere text, add --no-quotes"
    )


class JsonLinesTable(RowSource):
    """A JSON Lines file. Its columns are the keys of its objects, in the order of their first occurrence."""

    def __init__(self, path: Path, form: TableFormat, choice: TextChoice) -> None:
        super().__init__(choice)
        self.path, self.name, self.compression = path, str(path), form.compression
        self.kinds: dict[str, set[type]] = {}
        first = next((row.content for row in self.rows() if row.problem is None), None)
        # Without an object there is nothing to choose from: whoever reads the rows is told what they are.
        self.columns = choice.inputs if first is None else choice.columns(self.name, list(first))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.kinds)

    def schema(self) -> Any:
        """Keep the type of a column of one plain kind; any other becomes text, the JSON of its values."""
        import pyarrow

        kinds = {name: ARROW_TYPES.get(frozenset(kinds - {type(None)}), "string") for name, kinds in self.kinds.items()}
        return pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in kinds.items()])

    def rows(self) -> Iterator[Row]:
        for number, line, cells, problem in read_json_lines(self.path, self.compression):
            if cells is None or problem is not None:
                yield Row(number, line.rstrip("\r\n"), len(line), problem)
                continue
            for name, value in cells.items():
                kinds = self.kinds.setdefault(name, set())
                kinds.add(object if isinstance(value, int) and value not in INT64 else type(value))
            yield Row(number, cells, len(line))


class ParquetTable(RowSource):
    """A Parquet file, read a few pages at a time."""

    unit = "row"

    def __init__(self, path: Path, choice: TextChoice) -> None:
        super().__init__(choice)
        self.path, self.name = path, str(path)
        with open_parquet(path) as file:
            self._schema = file.schema_arrow
        check_once(path, self._schema.names)
        self.columns = choice.columns(self.name, self._schema.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._schema.names)

    def schema(self) -> Any:
        return self._schema

    def chunks(self) -> Iterator[Chunk]:
        import pyarrow

        number = 1
        with open_parquet(self.path) as file:
            for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata)):
                yield self._chunk(number, pyarrow.Table.from_batches([batch]))
                number += batch.num_rows

    def _chunk(self, first: int, table: Any) -> Chunk:
        texts_of = self.choice.reader(self.columns)
        columns = [table.column(column).to_pylist() for column in self.columns]
        chunk = self.empty_chunk()
        kept = []
        for place, cells in enumerate(zip(*columns, strict=True)):
            if chunk.add(Row(first + place, dict(zip(self.columns, cells, strict=True)), 0), texts_of):
                kept.append(place)
            else:
                chunk.bad[-1] = BadRow(chunk.bad[-1].problem, table.slice(place, 1).to_pylist()[0])
        chunk.rows = table if len(kept) == table.num_rows else table.take(kept)
        return chunk


def _rows_at_once(metadata: Any) -> int:
    """Return the rows of a batch: a chunk's, or fewer where they are large."""
    bytes_all = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    size = max(bytes_all / max(1, metadata.num_rows), CELL_CHARACTERS * metadata.num_columns)
    return max(1, min(CHUNK_ROWS, int(CHUNK_CHARACTERS / max(1.0, size))))
