"""Reads a recipe, from a file or from those that glueft ships, and parses its TOML."""

from __future__ import annotations

import importlib.resources
import os
import re
import tomllib
from pathlib import Path as FilePath
from typing import Any

from glueft.plugin.origin import Origin, recorded_origins
from glueft.recipe.problems import Problem, RecipeError
from glueft.suggest import SURE, nearest
from glueft.system.plain_file import DEEPEST, UnreadableError, is_deep, read_json
from glueft.text import quoted

# The file that marks a run folder, whose recipe somebody else may have written.
RECORD = "run.json"

# Bytes; a larger file is not a recipe.
LARGEST = 100_000
# A key with more parts is refused: parsing takes a time that grows with the square of their number.
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_STUDY = re.compile(r"^\[study\]", re.MULTILINE)
_DEEP_KEY = re.compile(rf"^[ \t]*\[{{0,2}}[ \t]*(?:{_PART}\.[ \t]*){{{DEEPEST + 1}}}", re.MULTILINE)


def packaged_recipes() -> list[str]:
    """Return the names of the recipes that glueft ships, sorted."""
    return sorted(name for name, text in _packaged().items() if not _STUDY.search(text))


def packaged_studies() -> list[str]:
    """Return the names of the studies that glueft ships beside its recipes, sorted."""
    return sorted(name for name, text in _packaged().items() if _STUDY.search(text))


def _packaged() -> dict[str, str]:
    files = importlib.resources.files("glueft.recipes").iterdir()
    return {file.name.removesuffix(".toml"): file.read_text("utf-8") for file in files if file.name.endswith(".toml")}


def read_text(path: str, what: str = "recipe") -> tuple[str, str]:
    """Return a recipe's name for messages, and its text; `what` it is, for messages too.

    Raises:
        RecipeError: there is no such file or packaged recipe, or it cannot be read as text.
    """
    if not path.strip() or "\0" in path:
        raise _unreadable(path, "not the name of a file", quoted(path), _recipes_hint())
    shown = path if path.isprintable() else quoted(path)
    if not FilePath(path).is_file() and (packaged := _packaged().get(path)) is not None:
        return path, packaged
    try:
        # /dev/stdin or /dev/fd/63 from a shell ends; a named pipe may never.
        if FilePath(path).is_fifo() and not path.startswith("/dev/"):
            raise _unreadable(path, "this is a named pipe", "a named pipe", "give the recipe, a small TOML file")
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(path, f"there is no such {what}", "nothing", _missing_hint(path)) from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a folder", "a folder", _folder_hint(path)) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _unreadable(
            path, f"it cannot be read: {reason}", reason, "look at its permissions and its path"
        ) from None
    if len(content) > LARGEST:
        size = f"more than {LARGEST:,} bytes"
        raise _unreadable(path, f"it has {size}, too many for a recipe", size, "give the recipe, a small TOML file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(
            "",
            line,
            path,
            "this is not UTF-8 text",
            expected="a TOML file in UTF-8",
            received=f"byte 0x{content[error.start]:02x} at position {error.start}",
            fix=f"save the file as UTF-8; the first byte that is not UTF-8 is number {error.start + 1}",
        )
        raise RecipeError(path, [problem]) from None
    return shown, text


def folder_of(path: str) -> FilePath:
    """The base of the relative paths of a recipe that `read_text` has read."""
    if FilePath(path).is_file():
        return FilePath(path).parent
    return FilePath(str(importlib.resources.files("glueft.recipes")))


def parse_text(recipe: str, text: str) -> dict[str, Any]:
    """Parse a recipe's TOML.

    Raises:
        RecipeError: it is empty or not TOML.
    """
    if not re.sub(r"#[^\n]*", "", text).strip():
        raise _unreadable(
            recipe, "there is nothing in it", "no table", "begin with a copy: glueft show mrpc > mine.toml"
        )
    try:
        if _DEEP_KEY.search(text):
            raise RecursionError
        tables = tomllib.loads(text)
        if is_deep(tables):
            raise RecursionError
        return tables
    except (ValueError, RecursionError) as error:
        from glueft.recipe.syntax_errors import fault

        found = fault(text, error)
    message = f"not TOML: {found.message}"
    problem = Problem("", found.line, recipe, message, found.expected, found.received, found.fix)
    raise RecipeError(recipe, [problem])


def _unreadable(path: str, message: str, received: str, fix: str) -> RecipeError:
    problem = Problem(
        "", None, path, message, expected="a TOML file, or the name of a packaged recipe", received=received, fix=fix
    )
    return RecipeError(path if path.isprintable() and path.strip() else quoted(path), [problem])


def _recipes_hint() -> str:
    studies = packaged_studies()
    return f"Packaged recipes: {', '.join(packaged_recipes())}" + (
        f"; studies: {', '.join(studies)}" if studies else ""
    )


def _missing_hint(path: str) -> str:
    file = FilePath(path)
    packaged = [*packaged_recipes(), *packaged_studies()]
    if file.name.removesuffix(".toml") in packaged:
        return f"did you mean the packaged recipe {file.name.removesuffix('.toml')}?  {_recipes_hint()}"
    try:
        beside = {other.stem: str(other) for other in file.parent.iterdir() if other.suffix == ".toml"}
    except OSError:
        beside = {}
    candidates = {name: name for name in packaged} | beside
    meant = nearest(file.stem, candidates, SURE)
    return (f"did you mean {candidates[meant]}?  " if meant else "") + _recipes_hint()


def _folder_hint(path: str) -> str:
    try:
        inside = sorted(str(file) for file in FilePath(path).glob("*.toml"))[:5]
    except OSError:
        inside = []
    return f"give one of its files: {', '.join(inside)}" if inside else _recipes_hint()


def lies_in_run_folder(recipe: str) -> bool:
    """Whether a recipe, or the file that it links to, lies in a run folder or below one.

    A run folder has a run.json; one further up must have a recipe.toml too.
    """
    path = FilePath(recipe)
    if not path.is_file():  # a packaged recipe, or nothing
        return False
    # `lexists`: whoever made the folder may have made a broken link.
    return any(
        os.path.lexists(folder / RECORD) and (folder == file.parent or os.path.lexists(folder / "recipe.toml"))
        for file in (path.absolute(), path.resolve())
        for folder in file.parents
    )


def origins_beside(recipe: str) -> dict[tuple[str, str], Origin]:
    """Return where each plugin of a recipe's run came from, by kind and name; {} if no run.json says it."""
    try:
        record = read_json(FilePath(recipe).absolute().parent / RECORD)
    except (FileNotFoundError, UnreadableError):
        return {}
    return recorded_origins(record if isinstance(record, dict) else {})
