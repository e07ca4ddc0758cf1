"""JSON Lines, an object a line: rows with their lines, and a writer."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import IO, Any, NamedTuple

from glueft.tables.lines import TextLines
from glueft.tables.problems import Problem, shown


class JsonRow(NamedTuple):
    """A line that is not blank."""

    line: int  # from 1
    text: str
    cells: dict[str, Any] | None  # None where the line is no object
    problem: Problem | None = None


def read_json_lines(
    path: Path, compression: str | None, once: Container[str] | None = None, example: str = '{"text": "..."}'
) -> Iterator[JsonRow]:
    """Yield the rows of a file.

    Args:
        path: the file.
        compression: see `TableFormat`.
        once: the keys of a row that may not be repeated; None for all, those of nested objects included.
        example: of a line, for messages.

    Raises:
        DataError: as of `TextLines`.
    """
    repeated: list[tuple[dict[str, Any], str]] = []

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        cells = dict(pairs)
        if len(cells) < len(pairs):
            repeated.extend((cells, key) for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return cells

    decode = json.JSONDecoder(object_pairs_hook=paired).decode
    lines = TextLines(path, compression)
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        problem = lines.problem()
        if problem is not None:
            yield JsonRow(number, line, None, problem)
            continue
        repeated.clear()
        try:
            cells = decode(line)
            reason = ""
        except (ValueError, RecursionError) as error:
            cells = None
            reason = f": {_reason(error)}"
        if not isinstance(cells, dict):
            yield JsonRow(number, line, None, _no_object(number, line, reason, example))
            continue
        for where, key in repeated:
            if once is None or (where is cells and key in once):
                problem = _repeated(number, key)
                break
        yield JsonRow(number, line, cells, problem)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _no_object(number: int, line: str, reason: str, example: str) -> Problem:
    return Problem(
        number,
        f"not a JSON object{reason}",
        f"one object in each line, such as {example}",
        shown(line.strip()),
        "write one object a line: jq -c '.[]' rows.json > rows.jsonl",
    )


def _repeated(number: int, key: str) -> Problem:
    return Problem(
        number,
        f"the key {shown(key)} is given twice",
        "each key once in an object",
        f"two values for {shown(key)}",
        "remove the one that is too many",
    )


class JsonLinesWriter:
    """Writes an object a line; see `TableWriter`."""

    def __init__(self, file: IO[bytes], result_names: Sequence[str]) -> None:
        self.file, self.result_names = file, result_names

    def write(self, rows: Any, results: Sequence[Sequence[Any]]) -> None:
        for cells, *added in zip(rows_as_dicts(rows), *results, strict=True):
            row = cells | dict(zip(self.result_names, added, strict=True))
            self.file.write(plain_json(row).encode("utf-8") + b"\n")

    def close(self) -> None:
        pass


def rows_as_dicts(rows: Any) -> list[dict[str, Any]]:
    """Return rows, or those of an Arrow table, as dicts by column."""
    dicts: list[dict[str, Any]] = rows if isinstance(rows, list) else rows.to_pylist()
    return dicts


def cell_text(value: Any) -> str:
    """Write a cell as text: nothing for null, JSON for what only JSON can say."""
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
    """Write JSON on one line, letters as they are; what JSON has no form for as text, NaN and infinity as null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=cell_text)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=cell_text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # Half a character, which only an escape can write.
        return json.dumps(_finite(value), default=cell_text)
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value
