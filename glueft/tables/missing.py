"""A file, or a column of one, that is not there: what there is instead, and which of it was probably meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from glueft.errors import DataError
from glueft.suggest import nearest
from glueft.tables.problems import listed, shown

SEPARATORS = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}
OF_A_RECIPE = "a relative path begins at the recipe's folder"


def unreadable(path: Path, error: OSError, *, of_a_recipe: bool = False) -> DataError:
    """Return the error for a file that cannot be opened."""
    missing = isinstance(error, FileNotFoundError)
    return DataError(
        f"{path} cannot be read",
        expected="a file with rows",
        received=error.strerror or str(error),
        fix=beside(path, of_a_recipe=of_a_recipe) if missing else "look at the path and its permissions",
    )


def beside(path: Path, *, of_a_recipe: bool = False) -> str:
    """Say what lies where a file was looked for; one of a recipe is looked for from the recipe's folder."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}" + (f"; {OF_A_RECIPE}" if of_a_recipe else "")
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"the folder {path.parent} cannot be read"
    meant = nearest(path.name, names, cutoff=0.75)
    begin = f"did you mean {shown(meant)}?  " if meant else ""
    here = Path(path.name).absolute()
    if of_a_recipe and not meant and here.is_file():
        begin = f"did you mean {here}?  {OF_A_RECIPE.capitalize()}.  "
    return f"{begin}{path.parent} has {listed(names)}" if names else f"{begin}{path.parent} is empty"


def no_rows(path: Path | str, expected: str, *, names: bool = False) -> DataError:
    """Return the error for a file without rows, or with the names of its columns alone."""
    return DataError(
        f"{path} has no rows",
        expected=expected,
        received="the names of its columns alone" if names else "nothing",
        fix="give the file its rows, or name another file",
    )


def check_columns(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError unless a file has each wanted column, and has it once."""
    for column in wanted:
        if column not in names:
            raise DataError(
                f"{path} has no column {shown(column)}",
                expected=f"a column {shown(column)}, as the recipe says",
                received=f"the columns {listed(names)}" if names else "no columns",
                fix=_other_column(column, names),
            )
    check_once(path, names, wanted)


def check_once(path: Path | str, names: Sequence[str], wanted: Sequence[str] | None = None) -> None:
    """Raise DataError if a table names one of the wanted columns twice; without these, any column."""
    counts = Counter(names)
    twice = next((name for name in (names if wanted is None else wanted) if counts[name] > 1), None)
    if twice is not None:
        raise DataError(
            f"{path} has {counts[twice]} columns called {shown(twice)}",
            expected="columns with a name of their own each" if wanted is None else f"one column {shown(twice)}",
            received=f"the columns {listed(names)}",
            fix="rename or remove the columns that are too many",
        )


def separator_meant(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the separator that would make one of some columns out of a single name, as an option writes it."""
    if len(names) == 1:
        for mark, written in SEPARATORS.items():
            if mark in names[0] and {*columns} & {name.strip() for name in names[0].split(mark)}:
                return written
    return None


def _other_column(column: str, names: Sequence[str]) -> str:
    separator = separator_meant([column], names)
    if separator:
        return f"the columns seem to have another separator: add delimiter = {separator} to [task]"
    near = nearest(column, names)
    if near:
        return f"did you mean {shown(near)}?"
    return "name one of those columns in the recipe; the first line of a CSV or TSV file must name its columns"
