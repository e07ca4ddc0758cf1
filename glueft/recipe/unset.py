"""Removes keys from a recipe: `--unset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from glueft.recipe.overrides import NOT_UNICODE, is_unicode, key_path, shown
from glueft.recipe.problems import Problem, dotted
from glueft.recipe.toml_lines import Path
from glueft.suggest import nearest
from glueft.text import quoted


def take_back(tables: dict[str, Any], keys: Sequence[str]) -> tuple[list[Path], list[Problem]]:
    """Remove keys, tables or list elements from the recipe's tables.

    Args:
        tables: those of the recipe's file; indices of list elements are those of the file.
        keys: arguments of `--unset`, dotted as those of `--set`.

    Returns:
        The removed paths, each once, and a problem for each key that is not there.
    """
    found: dict[Path, None] = {}
    problems: list[Problem] = []
    for key in keys:
        path = key_path(key) if is_unicode(key) else None
        if path is None:
            problems.append(_malformed(key))
        elif _holds(tables, path):
            found[path] = None
        else:
            problems.append(_not_there(tables, path, key))
    # The last element of a list first, so that the other indices stay valid.
    for path in sorted(found, key=_descending):
        if _holds(tables, path):  # its table may be removed already
            del _at(tables, path[:-1])[path[-1]]
    return list(found), problems


def moved_up(lines: Mapping[Path, int], gone: Sequence[Path]) -> dict[Path, int]:
    """The line of each remaining path, by its path after the removal of others."""
    moved: dict[Path, int] = {}
    for path, line in lines.items():
        if any(path[: len(other)] == other for other in gone):
            continue
        parts = list(path)
        for other in gone:
            at = len(other) - 1
            last, own = other[-1], path[at] if at < len(path) else None
            if isinstance(last, int) and isinstance(own, int) and path[:at] == other[:-1] and last < own:
                parts[at] = int(parts[at]) - 1
        moved[tuple(parts)] = line
    return moved


def _descending(path: Path) -> list[tuple[int, str]]:
    return [(-part, "") if isinstance(part, int) else (0, part) for part in path]


def _at(tables: Any, path: Path) -> Any:
    for part in path:
        tables = tables[part]
    return tables


def _holds(tables: Any, path: Path) -> bool:
    try:
        _at(tables, path)
    except (KeyError, IndexError, TypeError):
        return False
    return not isinstance(_at(tables, path[:-1]), str)


def _malformed(key: str) -> Problem:
    message, fix = (
        (f"{quoted(key)} is not a dotted key", "write the table, a dot and the key, as in --unset task.validation")
        if is_unicode(key)
        else NOT_UNICODE
    )
    wanted = "KEY, such as task.validation"
    return Problem("", None, f"--unset {shown(key)}", message, expected=wanted, received=quoted(key), fix=fix)


def _not_there(tables: dict[str, Any], path: Path, key: str) -> Problem:
    depth = next((depth for depth in range(len(path), 0, -1) if _holds(tables, path[:depth])), 0)
    inside = _inside(_at(tables, path[:depth]))
    meant = nearest(dotted(path), [dotted(other) for other in _keys(tables) if len(other) == len(path)], cutoff=0.75)
    if meant is None:  # the right key without its table
        meant = next(
            (dotted(other) for other in _keys(tables) if other[-1] == path[-1] and len(other) > len(path)), None
        )
    where = "the recipe" if depth == 0 else dotted(path[:depth])
    listing = ", ".join(dotted((part,)) for part in inside)
    return Problem(
        dotted(path),
        None,
        f"--unset {shown(key)}",
        "the recipe does not have this key",
        expected="a key that the recipe gives",
        received="nothing",
        fix=(f"did you mean {meant}?  " if meant else "")
        + f"{where} has: {listing or 'nothing that can be taken back'}",
        suggestion=meant,
    )


def _inside(value: Any) -> list[str | int]:
    """The keys of a table, or the indices of a list."""
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def _keys(value: Any, path: Path = ()) -> Iterator[Path]:
    for name in _inside(value):
        yield (*path, name)
        yield from _keys(value[name], (*path, name))
