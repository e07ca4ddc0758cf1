"""One writer for tables of each format, and the compressed file that it writes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from glueft.errors import OutputError
from glueft.files import WholeFile, writing
from glueft.tables.delimited import DelimitedWriter
from glueft.tables.json_lines import JsonLinesWriter
from glueft.tables.lines import OPENERS
from glueft.tables.parquet import ParquetWriter
from glueft.tables.suffixes import TableFormat, format_of

# `write(rows, results)` takes a list of dicts by column, or an Arrow table, and the cells of each column of results;
# `close()` writes what is left, and leaves the file open.
TableWriter = DelimitedWriter | JsonLinesWriter | ParquetWriter


def make_writer(
    kind: str,
    file: IO[bytes],
    names: Sequence[str],
    result_names: Sequence[str],
    schema: Callable[[], Any],
    *,
    raw: bool = False,
    label_sets: bool = False,
    texts: Sequence[str] = (),
) -> TableWriter:
    """Return the writer of a format (`TableFormat.kind`).

    Args:
        file: where to.
        names, result_names: the columns of the rows and of the results.
        schema: gives the Arrow schema of the rows, for Parquet alone.
        raw: write TSV without quotes: no field holds a tab.
        label_sets: the first column of the results has lists of labels; in CSV and TSV they are JSON.
        texts: the last columns of the results, which hold texts.
    """
    if kind == "parquet":
        return ParquetWriter(file, result_names, schema(), label_sets=label_sets, texts=texts)
    if kind == "jsonl":
        return JsonLinesWriter(file, result_names)
    tabs = kind == "tsv"
    return DelimitedWriter(file, names, result_names, delimiter="\t" if tabs else ",", raw=raw and tabs)


def output_format(path: Path) -> TableFormat:
    return format_of(path, OutputError, "write", "name it predictions.csv, predictions.jsonl or the like")


class OutputFile:
    """A `WholeFile`, compressed where that is asked for. Use as a context manager; write to `content`."""

    content: IO[bytes]

    def __init__(self, path: Path, compression: str | None = None) -> None:
        self.compression = compression
        self.whole = WholeFile(path)

    def __enter__(self) -> OutputFile:
        with writing(self.whole.path):
            file = self.whole.__enter__().file
        self.content = file if self.compression is None else OPENERS[self.compression](file, "wb")
        return self

    def finish(self) -> None:
        """Put the file in its place."""
        if self.compression is not None:
            self.content.close()
        self.whole.finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.whole.__exit__(kind, error, trace)
