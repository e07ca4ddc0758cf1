"""Opens what holds the rows: a table by its suffix, or standard input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from glueft.errors import DataError
from glueft.inference.chunks import RowSource
from glueft.inference.delimited import DelimitedTable
from glueft.inference.json_lines import JsonLinesTable
from glueft.inference.lines import GivenTexts, TextStream
from glueft.inference.parquet import ParquetTable
from glueft.inference.text_columns import TextChoice
from glueft.suggest import nearest
from glueft.tables.problems import listed
from glueft.tables.suffixes import SUFFIXES, table_format

LINES = "give a text a line on standard input: --input -"


def open_table(path: Path, choice: TextChoice) -> RowSource:
    """Open a table.

    Args:
        path: a CSV, TSV, JSON Lines or Parquet file.
        choice: which of its columns hold the texts.

    Raises:
        DataError: it cannot be read, or has not the columns.
    """
    try:
        form = table_format(path)
    except ValueError as error:
        raise DataError(
            f"{path}: its name does not say how to read it",
            expected=f"a name that ends in {SUFFIXES}",
            received=f"{path.name}: {error}".replace(f"must end in {SUFFIXES}; ", ""),
            fix=f"rename the file by what it holds, or {LINES}",
        ) from None
    if not path.is_file():
        raise _no_file(path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(
            f"{path} cannot be read",
            expected="a file with rows",
            received=error.strerror or str(error),
            fix="look at the path and its permissions",
        ) from None
    if form.kind == "parquet":
        return ParquetTable(path, choice)
    if form.kind == "jsonl":
        return JsonLinesTable(path, choice)
    return DelimitedTable(path, form, choice)


def open_lines(content: IO[bytes], choice: TextChoice) -> RowSource:
    """Take each line for a text, or for two with a tab between them."""
    return TextStream(content, choice)


def open_texts(rows: Sequence[Sequence[str]], choice: TextChoice) -> RowSource:
    """Take rows of texts that are there."""
    return GivenTexts(rows, choice)


def _no_file(path: Path) -> DataError:
    if path.is_dir():
        received, fix = "a folder", "name a file in it"
    elif path.exists():
        received = "something that is no regular file, and rows are read twice"
        fix = f"copy it to a file, or {LINES}"
    else:
        received, fix = "no such file", _beside(path)
    return DataError(f"{path} cannot be read", expected="a file with rows", received=received, fix=fix)


def _beside(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return f"there is no folder {path.parent}"
    meant = nearest(path.name, names, cutoff=0.75)
    begin = f'did you mean "{meant}"?  ' if meant else ""
    return f"{begin}{path.parent} has the files {listed(names)}" if names else f"{path.parent} has no files"
