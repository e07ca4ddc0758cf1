"""What a study changes in its recipes: [study.set], [study.grid] and [study.ranges], shared and a recipe's own.

A key stands in quotes, `"training.epochs" = 3`, or as TOML nests tables: `training.epochs = 3`. Both are one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glueft.recipe.overrides import key_path
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import received


@dataclass(frozen=True)
class Change:
    """One key that a study changes.

    Attributes:
        key: dotted, of the recipe: "training.epochs".
        value: what the study gives for it.
        at: its path in the study file.
        section: "set", "grid" or "ranges".
        recipe: whose own it is; None for one that all recipes share.
    """

    key: str
    value: Any
    at: Path
    section: str
    recipe: str | None = None

    @property
    def path(self) -> Path:
        """Of the key in the recipe."""
        return key_path(self.key) or (self.key,)


def nest(
    table: dict[str, Any], at: Path, locations: Locations, recipes: Collection[str] = ()
) -> tuple[dict[str, Any], dict[Path, Path], list[Problem]]:
    """Spread dotted keys in quotes over tables, as TOML does with those that are not in quotes.

    Args:
        table: with keys of recipes.
        at: its path in the study.
        locations: of the study's values.
        recipes: the names of the study's recipes, which stay whole: they may hold dots.

    Returns:
        The table; the new path of each that has another now; and a problem for each key that is given twice.
    """
    nested: dict[str, Any] = {}
    moved: dict[Path, Path] = {}
    problems: list[Problem] = []

    def put(values: Mapping[str, Any], old: Path, new: Path) -> None:
        for key, value in values.items():
            parts = (key,) if key in recipes and not new else key_path(key) or (key,)
            path = (*new, *map(str, parts))
            moved[(*old, key)] = (*at, *path)
            if isinstance(value, dict) and value:
                put(value, (*old, key), path)
            elif not _put(nested, path, value):
                problems.append(
                    locations.problem(
                        (*old, key),
                        f"{dotted(path)} is given twice, once in quotes and once as a table",
                        expected="each key once",
                        received=received(value),
                        fix="keep one of them",
                    )
                )

    put(table, at, ())
    return nested, {old: new for old, new in moved.items() if old != new}, problems


def _put(table: dict[str, Any], path: Path, value: Any) -> bool:
    *parents, last = map(str, path)
    for part in parents:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    if last in table:
        return False
    table[last] = value
    return True


def changes_in(section: str, table: Mapping[str, Any], recipes: Collection[str]) -> list[Change]:
    """The changes of a nested table of a study: those that all recipes share, and each recipe's own."""
    found = []
    for name, value in table.items():
        own = name in recipes and isinstance(value, dict)
        start: Path = ("study", section, name)
        shallow = len(start) + own
        inside = _leaves(section, value, start, shallow) if isinstance(value, dict) else [(start, value)]
        for at, leaf in inside:
            key = dotted(at[3:] if own else at[2:])
            if key:
                found.append(Change(key, leaf, at, section, name if own else None))
    return found


def _leaves(section: str, table: Mapping[str, Any], at: Path, shallow: int) -> Iterator[tuple[Path, Any]]:
    """The values of a table with their paths, of which those up to `shallow` parts are of tables of recipes.

    In [study.ranges] a table further in is a value itself if it holds more than tables; and a whole table of recipes
    has choices, optimizer = {choices = [{...}, {...}]}.
    """
    is_range = section == "ranges" and (
        not all(isinstance(value, dict) for value in table.values())
        if len(at) > shallow
        else len(at) == shallow and [*table] == ["choices"]
    )
    if not table or is_range:
        yield at, dict(table)
        return
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(section, value, (*at, name), shallow)
        else:
            yield (*at, name), value


def changes_of(recipe: str, changes: Collection[Change]) -> dict[str, Change]:
    """What is changed in one recipe, by key: its own, and the shared ones of other keys; first those of the file."""
    own = {change.key for change in changes if change.recipe == recipe}
    return {
        change.key: change
        for change in changes
        if change.recipe == recipe or (change.recipe is None and change.key not in own)
    }
