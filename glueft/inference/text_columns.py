"""Which columns of a table hold the texts of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.suggest import nearest
from glueft.tables import cells as table_cells
from glueft.tables.cells import missing_key
from glueft.tables.missing import separator_meant
from glueft.tables.problems import listed, shown

if TYPE_CHECKING:
    from glueft.plugin.task import TableLayout
    from glueft.plugin.task_description import TaskDescription

# Where no task says what columns are called.
USUAL_NAMES = ("text", "sentence")

Texts = tuple[str, ...]


@dataclass(frozen=True)
class TextChoice:
    """What a prediction reads, and how its tables hold it; the last four are options of the command."""

    inputs: tuple[str, ...]  # the names of the one or two texts of a row
    layout: TableLayout
    task: TaskDescription | None = None  # None for a checkpoint that is no run's
    text: str | None = None
    text_pair: str | None = None
    delimiter: str | None = None
    quotes: bool | None = None

    def columns(self, path: str, names: Sequence[str], *, separated: bool = False) -> tuple[str, ...]:
        """Return the column of each text among the `names` of a table; `separated` is set for CSV and TSV.

        Raises:
            DataError: there is no such column, or both texts have the same.
        """
        given = (self.text, self.text_pair)
        found = tuple(
            self._column(path, names, position, wanted, separated=separated)
            for position, wanted in enumerate(given[: len(self.inputs)])
        )
        if len(set(found)) < len(found):
            raise DataError(
                f"both texts of a row would come from the column {shown(found[0])}",
                expected="a column of its own for each text",
                received=listed(found),
                fix="name the two columns with --text and --text-pair",
            )
        return found

    def _column(self, path: str, names: Sequence[str], position: int, wanted: str | None, *, separated: bool) -> str:
        candidates = (wanted,) if wanted is not None else self.layout.columns[self.inputs[position]]
        found = next((name for name in candidates if name in names), None)
        if found is not None:
            return found
        known = " or ".join(shown(name) for name in candidates)
        raise DataError(
            f"{path} has no column {known}",
            expected=f"a column {known}" + ("" if wanted is not None else " with a text that the model reads"),
            received=f"the columns {listed(names)}" if names else "no columns",
            fix=_other_column(candidates, names, ("--text", "--text-pair")[position], separated=separated),
        )

    def reader(self, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], Texts]:
        """Return what takes the texts out of a row's cells, and raises CellError where these are none."""
        empty = self.task is not None and self.task.empty_text
        where = {column: shown(column) for column in columns}

        def read(column: str, cells: Mapping[str, Any]) -> str:
            if column not in cells:
                raise missing_key(column, cells)
            cell = cells[column]
            blank = empty and isinstance(cell, str) and (not cell or cell.isspace())
            return cell if blank else table_cells.text(where[column], cell)

        def texts_of(cells: Mapping[str, Any]) -> Texts:
            texts = tuple([read(column, cells) for column in columns])
            if empty and not any(text.strip() for text in texts):
                table_cells.text(where[columns[0]], texts[0])
            return texts

        return texts_of


def _other_column(candidates: Sequence[str], names: Sequence[str], option: str, *, separated: bool) -> str:
    separator = separator_meant(candidates, names) if separated else None
    if separator:
        return f"the columns seem to have another separator: add --delimiter {separator}"
    near = next(filter(None, (nearest(name, names) for name in candidates)), None)
    if near:
        return f"did you mean {shown(near)}?  Name the column with {option} {shown(near)}"
    hint = "; the first line of a CSV or TSV file must name its columns" if separated else ""
    return f"name the column with {option} NAME{hint}"
