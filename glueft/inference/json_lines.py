"""JSON Lines: one object a line, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glueft.inference.chunks import Chunk, Row, gather
from glueft.inference.text_columns import TextChoice
from glueft.tables.json_lines import keys_twice
from glueft.tables.lines import TextLines
from glueft.tables.problems import Problem, shown

# A column of one of these alone keeps its type in Parquet.
PLAIN = {
    frozenset({str}): "string",
    frozenset({bool}): "bool_",
    frozenset({int}): "int64",
    frozenset({float}): "float64",
}
PLAIN[frozenset({int, float})] = "float64"
INT64 = range(-(2**63), 2**63)


class JsonLinesTable:
    """A JSON Lines file; see `RowSource`. Its columns are the keys of its objects, in the order of their first coming.

    Args:
        path: the file.
        choice: which columns hold the texts.

    Raises:
        DataError: the file cannot be read, or its first object has not the columns.
    """

    unit = "line"
    raw = False
    repeats = True
    warnings: tuple[str, ...] = ()

    def __init__(self, path: Path, choice: TextChoice) -> None:
        self.path, self.name, self.choice = path, str(path), choice
        self.kinds: dict[str, set[type]] = {}
        first = next((row.cells for row in self._rows() if row.cells is not None), None)
        # With no object in it there is nothing to choose from: whoever reads the rows is told what they are.
        self.columns = choice.inputs if first is None else choice.columns(self.name, list(first))

    @property
    def names(self) -> tuple[str, ...]:
        """The keys met so far."""
        return tuple(self.kinds)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows, checked."""
        yield from gather(self._rows(), len(self.columns), self.choice.reader(self.columns))

    def schema(self) -> Any:
        """Return an Arrow schema: a column of one plain kind has it, any other the JSON of its values."""
        import pyarrow

        kinds = {name: PLAIN.get(frozenset(kinds - {type(None)}), "string") for name, kinds in self.kinds.items()}
        return pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in kinds.items()])

    def _rows(self) -> Iterator[Row]:
        text = TextLines(self.path)
        for number, line in enumerate(text, start=1):
            if line.isspace():
                continue
            try:
                if text.problems:
                    problem = text.problems.pop()
                    raise _NoRow(problem)
                cells = _object(number, line)
            except _NoRow as bad:
                yield Row(number, None, len(line), content=line.rstrip("\r\n"), problem=bad.problem)
                continue
            for name, value in cells.items():
                kinds = self.kinds.setdefault(name, set())
                kinds.add(object if isinstance(value, int) and value not in INT64 else type(value))
            yield Row(number, cells, len(line))


class _NoRow(Exception):  # noqa: N818  # a way out, not an error
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def _object(number: int, line: str) -> dict[str, Any]:
    twice: list[str] = []

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if len(unique) < len(pairs):
            twice.extend(keys_twice(pairs))
        return unique

    try:
        cells = json.loads(line, object_pairs_hook=paired)
    except (ValueError, RecursionError) as error:
        raise _NoRow(_no_object(number, line, f": {_reason(error)}")) from None
    if not isinstance(cells, dict):
        raise _NoRow(_no_object(number, line, ""))
    if twice:
        raise _NoRow(
            Problem(
                number,
                f"the key {shown(twice[0])} is given twice",
                "each key once in an object",
                f"two values for {shown(twice[0])}",
                "remove the one that is too many",
            )
        )
    return cells


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _no_object(number: int, line: str, reason: str) -> Problem:
    return Problem(
        number,
        f"not a JSON object{reason}",
        'one object in each line, such as {"text": "..."}',
        shown(line.strip()),
        "write one object a line: jq -c '.[]' rows.json > rows.jsonl",
    )
