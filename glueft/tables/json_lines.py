"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glueft.tables.lines import TextLines
from glueft.tables.missing import check_columns
from glueft.tables.problems import Problem, Problems, listed, malformed, shown


class _Object(dict[str, Any]):
    """An object of JSON that remembers which keys it gives more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = keys_twice(pairs) if len(self) < len(pairs) else {}


def keys_twice(pairs: list[tuple[str, Any]]) -> dict[str, None]:
    """The keys that an object gives more than once, in the order of their coming."""
    counts = Counter(key for key, _ in pairs)
    return {key: None for key, count in counts.items() if count > 1}


def read_json_lines(
    path: Path, wanted: Sequence[str], optional: Sequence[str]
) -> tuple[list[int], dict[str, list[Any]]]:
    """Return the line of each row, and the cells of each column (None for null); see `read_columns`."""
    text = TextLines(path)
    decode = json.JSONDecoder(object_pairs_hook=_Object).decode
    numbers: list[int] = []
    names: dict[str, None] = {}
    cells: dict[str, list[Any]] = {column: [] for column in (*wanted, *optional)}
    problems = Problems()
    for number, line in enumerate(text, start=1):
        if line.isspace():
            continue
        if text.problems:
            problems.add(text.problems[0])
            text.problems.clear()
            continue
        try:
            row = decode(line)
        except (ValueError, RecursionError) as error:
            problems.add(_no_object(number, line, f": {_reason(error)}"))
            continue
        if not isinstance(row, _Object):
            problems.add(_no_object(number, line, ""))
            continue
        names |= dict.fromkeys(row)
        wrong = [_twice(number, column) for column in cells if column in row.twice]
        for problem in wrong + [_lacks(number, column, row) for column in wanted if column not in row]:
            problems.add(problem)
        numbers.append(number)
        for column, values in cells.items():
            values.append(row.get(column))
    if numbers:
        check_columns(path, wanted, list(names))
    if problems:
        raise malformed(path, problems)
    return numbers, {column: values for column, values in cells.items() if column in names}


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _no_object(number: int, line: str, reason: str) -> Problem:
    return Problem(
        number,
        f"not a JSON object{reason}",
        'one object in each line, such as {"text": "...", "label": "..."}',
        shown(line.strip()),
        "write one object a line: jq -c '.[]' rows.json > rows.jsonl",
    )


def _twice(number: int, column: str) -> Problem:
    return Problem(
        number,
        f"the key {shown(column)} is given twice",
        "each key once in an object",
        f"two values for {shown(column)}",
        "remove the one that is too many",
    )


def _lacks(number: int, column: str, row: dict[str, Any]) -> Problem:
    return Problem(
        number,
        f"no key {shown(column)}",
        f"{shown(column)} in every object",
        f"the keys {listed(list(row))}" if row else "an empty object",
        "add what is missing, or remove the row on purpose",
    )
