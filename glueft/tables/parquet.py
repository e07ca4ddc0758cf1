"""Parquet files, by pyarrow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import category

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables.missing import check_columns, unreadable


def read_parquet(
    path: Path, wanted: Sequence[str], optional: Sequence[str]
) -> tuple[range, dict[str, list[Any]], dict[str, tuple[str, ...]]]:
    """Return the number of each row, from 1, the cells of each column (None for null), and the names of its classes.

    See `read_columns`. Names has a column whose integers are the codes of a ClassLabel, as the `datasets` library
    writes it into the file's schema.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        refuse_irregular(path)
        with path.open("rb") as content:
            file = pyarrow.parquet.ParquetFile(content)
            names = file.schema_arrow.names
            present = [*wanted, *(column for column in optional if column in names)]
            check_columns(path, present, names)
            table = file.read(columns=present)
            cells = {column: table.column(column).to_pylist() for column in present}
            coded = [column for column in present if pyarrow.types.is_integer(table.schema.field(column).type)]
            classes = _classes(file.schema_arrow.metadata or {}, coded)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet",
            expected="a Parquet file, whole, with text in UTF-8",
            received=str(error).splitlines()[0],
            fix="write the file again, for example with pandas: frame.to_parquet(path)",
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None
    return range(1, table.num_rows + 1), cells, classes


def _classes(metadata: Mapping[bytes, bytes], coded: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names of each column's ClassLabel, in the order of their codes; what cannot be read says nothing."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        names = {column: features[column]["names"] for column in coded if features[column]["_type"] == "ClassLabel"}
    except (ValueError, RecursionError, KeyError, TypeError):
        return {}
    return {column: tuple(those) for column, those in names.items() if _are_names(those)}


def _are_names(those: Any) -> bool:
    """Whether they tell classes apart: two or more, each a name on one line and none twice."""
    return (
        isinstance(those, list)
        and len(those) > 1
        and all(isinstance(name, str) and name.strip() for name in those)
        and not any(category(letter) in ("Cc", "Cs") for name in those for letter in name)
        and len(set(those)) == len(those)
    )
