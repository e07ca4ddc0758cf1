"""One file's columns as they are written, whatever its format. Nothing is turned into a number or into null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glueft.errors import DataError
from glueft.tables.delimited import Delimited, read_csv
from glueft.tables.json_lines import read_json_lines
from glueft.tables.parquet import read_parquet
from glueft.tables.suffixes import table_format


@dataclass(frozen=True)
class Columns:
    """Some columns of a file.

    Attributes:
        path: the file.
        unit: what `numbers` count, from 1: "line", or "row" in Parquet.
        numbers: where each row begins.
        cells: by column name, one cell a row: text in CSV and TSV; elsewhere what JSON or Parquet hold. An optional
            column that the file does not have is not among them.
        classes: for a column whose integers are the codes of classes, their names in the order of the codes.
    """

    path: Path
    unit: str
    numbers: Sequence[int]
    cells: dict[str, list[Any]]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_columns(
    path: Path,
    wanted: Sequence[str],
    *,
    optional: Sequence[str] = (),
    delimiter: str | None = None,
    quotes: bool | None = None,
) -> Columns:
    """Read columns of a file, in the format of its suffix.

    Args:
        path: the file.
        wanted: the columns that it must have.
        optional: columns that it may have.
        delimiter: one character between the fields of CSV or TSV; None for a comma or a tab.
        quotes: whether a field of CSV or TSV may stand in double quotes; see `Delimited`.

    Raises:
        DataError: the file cannot be read, lacks a column, has no rows, or has malformed ones: the first few are named
            by their lines, and all are counted.
    """
    kind = table_format(path).kind
    numbers: Sequence[int]
    cells: dict[str, list[Any]]
    classes: dict[str, tuple[str, ...]] = {}
    if kind == "parquet":
        numbers, cells, classes = read_parquet(path, wanted, optional)
    elif kind == "jsonl":
        numbers, cells = read_json_lines(path, wanted, optional)
    else:
        separator = delimiter or {"csv": ",", "tsv": "\t"}[kind]
        numbers, cells = read_csv(path, wanted, optional, Delimited(separator, quotes))
    if not numbers:
        raise DataError(
            f"{path} has no rows",
            expected="one row or more" + (", below the line that names the columns" if kind in ("csv", "tsv") else ""),
            received="the names of its columns alone" if cells else "nothing",
            fix="give the file its rows, or name another file",
        )
    return Columns(path, "row" if kind == "parquet" else "line", numbers, cells, classes)
