"""The plugin files that a recipe and the command line name: `[plugins] files` and `--plugin`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from glueft.errors import PluginError
from glueft.local_path import absolute
from glueft.plugin_file import PluginFile, read_plugin_file
from glueft.recipe.origins import Origins
from glueft.recipe.overrides import NOT_UNICODE, is_unicode, shown
from glueft.recipe.problems import Problem
from glueft.recipe.toml_lines import Path
from glueft.registry import load_registry


def name_files(tables: dict[str, Any], files: Sequence[str]) -> dict[Path, str]:
    """Add the files of `--plugin` to the recipe's own; return the argument of each by its path in the recipe."""
    if not files:
        return {}
    section = tables.setdefault("plugins", {})
    named = section.setdefault("files", []) if isinstance(section, dict) else None
    if not isinstance(named, list):
        return {}  # The recipe's own table is wrong, which is told.
    origins: dict[Path, str] = {}
    for file in files:
        origins["plugins", "files", len(named)] = f"--plugin {shown(file)}"
        # Absolute at once: in the recipe's own list a relative path would begin at the recipe's folder.
        named.append(absolute(file, FilePath()) if file.strip() else file)
    return origins


def read_files(tables: dict[str, Any], origins: Origins) -> tuple[tuple[PluginFile, ...], list[Problem]]:
    """Read the files that a recipe names, and run them.

    Returns:
        Those that can be read, each once, and a problem for each that cannot be used.
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
            continue  # Told by the check of the section.
        if not is_unicode(file):
            problems.append(_problem(origins, path, NOT_UNICODE[0], "a path in UTF-8", shown(file), NOT_UNICODE[1]))
            continue
        try:
            found.setdefault(read_plugin_file(absolute(file, origins.folder_of(path))), path)
        except PluginError as error:
            problems.append(_problem(origins, path, error.message, error.expected, error.received, error.mend))
    for failure in load_registry(*found).file_failures:
        path = next(path for file, path in found.items() if file.path == failure.file)
        wanted, mend = "a file whose plugins can all be used", "mend the file, or leave it out"
        problems.append(_problem(origins, path, str(failure), wanted, failure.reason, mend))
    return tuple(found), problems


def _problem(origins: Origins, path: Path, message: str, expected: str, received: str, mend: str) -> Problem:
    return origins.problem(path, message, expected=expected, received=received, mend=mend)
