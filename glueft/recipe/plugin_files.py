"""The plugin files that a recipe and the command line name: `[plugins] files` and `--plugin`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.file import PluginFile, is_trusted, read_plugin_file
from glueft.plugin.options import absolute
from glueft.plugin.registry import load_registry
from glueft.recipe.overrides import NOT_UNICODE, is_unicode, shown
from glueft.recipe.problems import Locations, Problem
from glueft.recipe.toml_lines import Path


def name_files(tables: dict[str, Any], files: Sequence[str], *, foreign: bool = False) -> dict[Path, str]:
    """Add the files of `--plugin` to the recipe's own; return the argument of each by its path in the recipe.

    Args:
        tables: the recipe's.
        files: of `--plugin`.
        foreign: whether the recipe is that of a run folder. A file of `--plugin` then replaces the run's file of the
            same name: it is the same plugin, moved or in another version.
    """
    if not files:
        return {}
    section = tables.setdefault("plugins", {})
    named = section.setdefault("files", []) if isinstance(section, dict) else None
    if not isinstance(named, list):
        return {}  # the check of the section reports it
    before = [FilePath(file).name if foreign and isinstance(file, str) else None for file in named]
    locations: dict[Path, str] = {}
    for file in files:
        name = FilePath(file).name
        place = before.index(name) if name in before else len(named)
        before[place : place + 1] = [None]
        locations["plugins", "files", place] = f"--plugin {shown(file)}"
        # Absolute: relative paths in the recipe begin at the recipe's folder.
        named[place : place + 1] = [absolute(file, FilePath()) if file.strip() else file]
    return locations


def read_files(
    tables: dict[str, Any], locations: Locations, *, foreign: bool = False
) -> tuple[tuple[PluginFile, ...], list[Problem]]:
    """Read the files that a recipe names, and run them.

    Args:
        tables: the recipe's.
        locations: of its values.
        foreign: whether the recipe is that of a run folder; of its own files only those are run that `is_trusted`
        knows.

    Returns:
        The files that were run, each once, and a problem for each that cannot be used.
    """
    section = tables.get("plugins")
    named = section.get("files") if isinstance(section, dict) else None
    found: dict[PluginFile, Path] = {}
    problems: list[Problem] = []
    for index, file in enumerate(named if isinstance(named, list) else ()):
        path: Path = ("plugins", "files", index)
        if (
            not isinstance(file, str)
            or not file.strip()
            or any(ord(letter) < 32 or letter == "\x7f" for letter in file)
        ):
            continue  # the check of the section reports it
        if not is_unicode(file):
            message, fix = NOT_UNICODE
            problems.append(locations.problem(path, message, expected="a path in UTF-8", received=shown(file), fix=fix))
            continue
        of_the_folder = foreign and not locations.argument(path)
        try:
            read = read_plugin_file(absolute(file, locations.folder_of(path)))
        except PluginError as error:
            fix = "name the file that you have with --plugin FILE.py" if of_the_folder else error.fix
            problems.append(locations.refused(path, error, fix=fix))
            continue
        if of_the_folder and not is_trusted(read):
            problems.append(_untrusted(locations, path, read))
        else:
            found.setdefault(read, path)
    for failure in load_registry(*found).file_failures:
        path = next(path for file, path in found.items() if file.path == failure.file)
        problems.append(
            locations.problem(
                path,
                str(failure),
                expected="a file whose plugins can all be used",
                received=failure.reason,
                fix="fix the file, or leave it out",
            )
        )
    return tuple(found), problems


def _untrusted(locations: Locations, path: Path, file: PluginFile) -> Problem:
    return locations.problem(
        path,
        f"plugin file {file.path}: it is not run, for a run folder names it, and no run of yours on this machine has "
        "run it as it is now",
        expected="a file that a run of yours has run, with the same content at the same path",
        received=f"SHA-256 {file.sha256}, of which nothing is known here",
        fix=f"read the file; if you trust it, add --trust, or --plugin {shlex.quote(file.path)}",
    )
