"""Parquet, by pyarrow: rows in batches, the names of a file's classes, and a writer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from unicodedata import category

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables.json_lines import plain_json
from glueft.tables.missing import unreadable

# Bytes read ahead for each column: whole column chunks, the library's habit, may be as large as the file.
READ_AHEAD = 2**16
# A row group has costs of its own for its readers: it has this many rows, or bytes, at least.
GROUP_ROWS = 2**16
GROUP_BYTES = 2**26


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Give a file as a `pyarrow.parquet.ParquetFile`.

    Raises:
        DataError: the file cannot be opened, or in the block, read.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        refuse_irregular(path)
        with path.open("rb") as content:
            yield pyarrow.parquet.ParquetFile(content, buffer_size=READ_AHEAD, pre_buffer=False)
    except MemoryError:  # also of Arrow
        raise
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        raise DataError(
            f"{path} cannot be read as Parquet",
            expected="a Parquet file, whole, with text in UTF-8",
            received=(str(error).splitlines() or [type(error).__name__])[0],
            fix="write the file again, for example with pandas: frame.to_parquet(path)",
        ) from None


def class_names(schema: Any, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the ClassLabel of each column of integers, or of lists of them, in the order of their codes.

    The `datasets` library writes them into the metadata of a schema; what cannot be read there is left out.
    """
    import pyarrow

    kinds = pyarrow.types
    coded = {}
    for column in columns:
        kind = schema.field(column).type
        is_list = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
        if kinds.is_integer(kind.value_type if is_list else kind):
            coded[column] = is_list
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        described = {
            column: _of_items(features[column]) if is_list else features[column] for column, is_list in coded.items()
        }
        names = {column: those["names"] for column, those in described.items() if those["_type"] == "ClassLabel"}
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}
    return {column: tuple(those) for column, those in names.items() if _are_names(those)}


def _of_items(feature: Any) -> Any:
    """Return the feature of a list's items, in the forms of old and new versions of `datasets`."""
    return feature[0] if isinstance(feature, list) else feature["feature"]


def _are_names(those: Any) -> bool:
    """Whether they tell classes apart: two or more, each a name on one line and none twice."""
    return (
        isinstance(those, list)
        and len(those) > 1
        and all(isinstance(name, str) and name.strip() for name in those)
        and not any(category(letter) in ("Cc", "Cs") for name in those for letter in name)
        and len(set(those)) == len(those)
    )


class ParquetWriter:
    """Writes the columns of rows with their types; see `TableWriter`.

    Of results texts are written as text, lists of labels as lists of text, numbers as float64.
    """

    def __init__(
        self,
        file: IO[bytes],
        result_names: Sequence[str],
        schema: Any,
        *,
        label_sets: bool = False,
        texts: Sequence[str] = (),
    ) -> None:
        import pyarrow
        import pyarrow.parquet

        self.width = len(schema)
        numbers = [pyarrow.float64()] * (len(result_names) - len(texts))
        label = pyarrow.list_(pyarrow.string()) if label_sets else pyarrow.string()
        kinds = [label, *numbers[1:]] if len(numbers) > 1 else numbers  # a score stands alone
        kinds += [pyarrow.string()] * len(texts)
        for name, kind in zip(result_names, kinds, strict=True):
            schema = schema.append(pyarrow.field(name, kind))
        # What pandas noted of its columns and index holds no longer.
        self.schema = schema.remove_metadata()
        self.writer = pyarrow.parquet.ParquetWriter(file, self.schema)
        self.waiting: list[Any] = []

    def write(self, rows: Any, results: Sequence[Sequence[Any]]) -> None:
        """Write rows, or keep them until there are enough for a row group."""
        import pyarrow

        fields = list(self.schema)
        if isinstance(rows, list):
            columns = [
                pyarrow.array([_typed(row.get(field.name), field.type) for row in rows], field.type)
                for field in fields[: self.width]
            ]
        else:
            columns = list(rows.columns)
        columns += [
            pyarrow.array(cells, field.type) for cells, field in zip(results, fields[self.width :], strict=True)
        ]
        self.waiting.append(pyarrow.table(columns, schema=self.schema))
        rows_waiting, size = (sum(getattr(table, of) for table in self.waiting) for of in ("num_rows", "nbytes"))
        if rows_waiting >= GROUP_ROWS or size >= GROUP_BYTES:
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
    """A cell of JSON in a column of one type; in a text column what is not text becomes its JSON."""
    import pyarrow

    if value is None or not pyarrow.types.is_string(kind):
        return float(value) if isinstance(value, int) and pyarrow.types.is_floating(kind) else value
    text = value if isinstance(value, str) else plain_json(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
