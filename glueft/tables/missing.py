"""A file, or a column of one, that is not there: what there is instead, and which of it was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glueft.errors import DataError
from glueft.suggest import nearest
from glueft.tables.problems import listed, shown

SEPARATORS = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file that cannot be opened."""
    return DataError(
        f"{path} cannot be read",
        expected="a file with rows",
        received=error.strerror or str(error),
        fix=_beside(path) if isinstance(error, FileNotFoundError) else "look at the path and its permissions",
    )


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; a relative path begins at the recipe's folder"
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"the folder {path.parent} cannot be read"
    meant = nearest(path.name, names, cutoff=0.75)
    begin = f"did you mean {shown(meant)}?  " if meant else ""
    # The file as the shell would find it is not the one as the recipe finds it.
    here = Path(path.name).absolute()
    if not meant and here.is_file():
        begin = f"did you mean {here}?  A relative path begins at the recipe's folder.  "
    return f"{begin}{path.parent} has {listed(names)}" if names else f"{begin}{path.parent} is empty"


def check_columns(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Check that a file has each wanted column, and has it once.

    Raises:
        DataError: it has not; names the file, the columns that it has, and the nearest of them.
    """
    for column in wanted:
        if column not in names:
            raise DataError(
                f"{path} has no column {shown(column)}",
                expected=f"a column {shown(column)}, as [task] says",
                received=f"the columns {listed(names)}" if names else "no columns",
                fix=_other_column(column, names),
            )
        if names.count(column) > 1:
            raise DataError(
                f"{path} has {names.count(column)} columns called {shown(column)}",
                expected=f"one column {shown(column)}",
                received=f"the columns {listed(names)}",
                fix="rename or remove the columns that are too many",
            )


def _other_column(column: str, names: Sequence[str]) -> str:
    for mark, shown_mark in SEPARATORS.items():
        if len(names) == 1 and column in [name.strip() for name in names[0].split(mark)]:
            return f"the columns seem to have another separator: add delimiter = {shown_mark} to [task]"
    near = nearest(column, names)
    if near:
        return f"did you mean {shown(near)}?"
    return "name one of those columns in [task]; the first line of a CSV or TSV file must name its columns"
