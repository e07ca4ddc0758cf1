"""Columns of one file as they are written, whatever its format. Nothing is turned into a number or into null."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from glueft.tables.cells import CellError, missing_key
from glueft.tables.delimited import Delimited, read_records
from glueft.tables.json_lines import read_json_lines
from glueft.tables.missing import check_columns, no_rows, unreadable
from glueft.tables.parquet import class_names, open_parquet
from glueft.tables.problems import Problems, shown
from glueft.tables.suffixes import DELIMITERS, table_format

Read = TypeVar("Read")

EXAMPLE = '{"text": "...", "label": "..."}'


@dataclass(frozen=True)
class Columns:
    """Some columns of a file.

    Attributes:
        cells: by column name, one cell a row: text in CSV and TSV, else what JSON or Parquet hold. An optional column
            that the file does not have is not among them.
        classes: for a column of integer codes, the names of its classes in the order of the codes.
    """

    path: Path
    unit: str  # what `numbers` count, from 1: "line", or "row" in Parquet
    numbers: Sequence[int]  # where each row begins
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
    """Read columns of a file that a recipe names; `delimiter` and `quotes` are those of `Delimited`.

    Raises:
        DataError: the file cannot be read, lacks a wanted column, has no rows, or has malformed ones.
    """
    try:
        path.stat()
    except OSError as error:
        raise unreadable(path, error, of_a_recipe=True) from None
    form = table_format(path)
    kind, compression = form.kind, form.compression
    if kind == "parquet":
        columns = _parquet(path, wanted, optional)
    elif kind == "jsonl":
        columns = _json_lines(path, compression, wanted, optional)
    else:
        columns = _delimited(path, Delimited(delimiter or DELIMITERS[kind], quotes, compression), wanted, optional)
    if not columns.numbers:
        below = ", below the line that names the columns" if kind in DELIMITERS else ""
        raise no_rows(path, f"one row or more{below}", names=bool(columns.cells))
    return columns


def _present(path: Path, wanted: Sequence[str], optional: Sequence[str], names: Sequence[str]) -> list[str]:
    present = [*wanted, *(column for column in optional if column in names)]
    check_columns(path, present, names)
    return present


def _delimited(path: Path, form: Delimited, wanted: Sequence[str], optional: Sequence[str]) -> Columns:
    numbers: list[int] = []
    cells: dict[str, list[Any]] = {}
    kept: list[tuple[int, list[Any]]] = []
    problems = Problems()
    with closing(read_records(path, form)) as records:
        for line, fields, problem, _ in records:
            if problem is not None:
                problems.add(problem)
                if not cells:
                    break
            elif not cells:
                cells = {column: [] for column in _present(path, wanted, optional, fields)}
                kept = [(fields.index(column), cells[column]) for column in cells]
            else:
                numbers.append(line)
                for position, column in kept:
                    column.append(fields[position])
    if problems:
        raise problems.error(path)
    return Columns(path, "line", numbers, cells)


def _json_lines(path: Path, compression: str | None, wanted: Sequence[str], optional: Sequence[str]) -> Columns:
    numbers: list[int] = []
    names: dict[str, None] = {}
    cells: dict[str, list[Any]] = {column: [] for column in (*wanted, *optional)}
    problems = Problems()
    for line, _, row, problem in read_json_lines(path, compression, cells, EXAMPLE):
        if problem is not None:
            problems.add(problem)
        if row is None:
            continue
        names |= dict.fromkeys(row)
        for column in wanted:
            if column not in row:
                problems.add(missing_key(column, row).at(line))
        numbers.append(line)
        for column, values in cells.items():
            values.append(row.get(column))
    if numbers:
        check_columns(path, wanted, list(names))
    if problems:
        raise problems.error(path)
    return Columns(path, "line", numbers, {column: values for column, values in cells.items() if column in names})


def _parquet(path: Path, wanted: Sequence[str], optional: Sequence[str]) -> Columns:
    with open_parquet(path) as file:
        schema = file.schema_arrow
        present = _present(path, wanted, optional, schema.names)
        cells: dict[str, list[Any]] = {column: [] for column in present}
        for batch in file.iter_batches(columns=[*cells]):
            for column, values in cells.items():
                values += batch.column(column).to_pylist()
        return Columns(path, "row", range(1, file.metadata.num_rows + 1), cells, class_names(schema, present))


def read_cells(
    columns: Columns, column: str, read: Callable[[str, Any], Read], cells: Sequence[Any] | None = None
) -> list[Read]:
    """Read every cell of a column by `read(where, cell)`; or `cells` in their place.

    Raises:
        DataError: `read` raised CellError.
    """
    values: list[Read] = []
    problems = Problems()
    where = shown(column)
    for number, cell in zip(columns.numbers, columns.cells[column] if cells is None else cells, strict=True):
        try:
            values.append(read(where, cell))
        except CellError as error:
            problems.add(error.at(number))
    if problems:
        raise problems.error(columns.path, columns.unit)
    return values
