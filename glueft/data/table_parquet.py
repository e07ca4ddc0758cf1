"""Parquet files, by pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glueft.data.table_missing import check_columns, unreadable
from glueft.errors import DataError


def read_parquet(path: Path, wanted: Sequence[str], optional: Sequence[str]) -> tuple[range, dict[str, list[Any]]]:
    """Return the number of each row, from 1, and the cells of each column (None for null); see `read_columns`."""
    import pyarrow
    import pyarrow.parquet

    try:
        with path.open("rb") as content:
            file = pyarrow.parquet.ParquetFile(content)
            names = file.schema_arrow.names
            present = [*wanted, *(column for column in optional if column in names)]
            check_columns(path, present, names)
            table = file.read(columns=present)
            cells = {column: table.column(column).to_pylist() for column in present}
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet",
            expected="a Parquet file, whole, with text in UTF-8",
            received=str(error).splitlines()[0],
            mend="write the file again, for example with pandas: frame.to_parquet(path)",
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None
    return range(1, table.num_rows + 1), cells
