"""Reads a recipe's text, from a file or from the recipes that glueft ships, and parses its TOML."""

from __future__ import annotations

import importlib.resources
import os
import re
import tomllib
from pathlib import Path as FilePath
from typing import Any

from glueft.plugin.origin import Origin, recorded_origins
from glueft.recipe.problems import Problem, RecipeError
from glueft.suggest import nearest
from glueft.system.plain_file import DEEPEST, UnreadableError, is_deep, read_json
from glueft.text import quoted

# What marks a run folder: somebody else may have written the recipe beside it.
RECORD = "run.json"

# A recipe is written by hand; what is larger is some other file.
LARGEST = 100_000
# A key of so many parts is nested too deeply, and takes the parser a time that grows with their square.
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_DEEP_KEY = re.compile(rf"^[ \t]*\[{{0,2}}[ \t]*(?:{_PART}\.[ \t]*){{{DEEPEST + 1}}}", re.MULTILINE)


def packaged_recipes() -> list[str]:
    """The names of the recipes that glueft ships, sorted."""
    files = importlib.resources.files("glueft.recipes").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_text(path: str) -> tuple[str, str]:
    """Return what the recipe is called in messages, and its text.

    Raises:
        RecipeError: there is no such file or packaged recipe, or it cannot be read as text.
    """
    if not path.strip() or "\0" in path:
        raise _unreadable(path, "not the name of a file", quoted(path), _recipes_hint())
    shown = path if path.isprintable() else quoted(path)
    if not FilePath(path).is_file() and path in packaged_recipes():
        return path, importlib.resources.files("glueft.recipes").joinpath(f"{path}.toml").read_text("utf-8")
    try:
        # What a shell hands over as /dev/stdin or /dev/fd/63 comes to an end; a named pipe may never.
        if FilePath(path).is_fifo() and not path.startswith("/dev/"):
            raise _unreadable(path, "this is a named pipe", "a named pipe", "give the recipe, a small TOML file")
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(path, "there is no such recipe", "nothing", _missing_hint(path)) from None
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
        raise RecipeError(
            path,
            [
                Problem(
                    "",
                    line,
                    path,
                    "this is not UTF-8 text",
                    expected="a TOML file in UTF-8",
                    received=f"byte 0x{content[error.start]:02x} at position {error.start}",
                    fix=f"save the file as UTF-8; the first byte that is not UTF-8 is number {error.start + 1}",
                )
            ],
        ) from None
    return shown, text


def folder_of(path: str) -> FilePath:
    """The folder of a recipe that `read_text` has read: where its relative paths begin."""
    if FilePath(path).is_file():
        return FilePath(path).parent
    return FilePath(str(importlib.resources.files("glueft.recipes")))


def parse_text(recipe: str, text: str) -> dict[str, Any]:
    """Parse a recipe's TOML.

    Raises:
        RecipeError: it is not TOML, and the error says where and in plain words why; or there is nothing in it.
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
    raise RecipeError(
        recipe,
        [
            Problem(
                "",
                found.line,
                recipe,
                f"not TOML: {found.message}",
                expected=found.expected,
                received=found.received,
                fix=found.fix,
            )
        ],
    )


def _unreadable(path: str, message: str, received: str, fix: str) -> RecipeError:
    problem = Problem(
        "", None, path, message, expected="a TOML file, or the name of a packaged recipe", received=received, fix=fix
    )
    return RecipeError(path if path.isprintable() and path.strip() else quoted(path), [problem])


def _recipes_hint() -> str:
    return f"Packaged recipes: {', '.join(packaged_recipes())}"


def _missing_hint(path: str) -> str:
    """The file beside it, or the packaged recipe, that was most likely meant."""
    file = FilePath(path)
    packaged = packaged_recipes()
    if file.name.removesuffix(".toml") in packaged:
        return f"did you mean the packaged recipe {file.name.removesuffix('.toml')}?  {_recipes_hint()}"
    try:
        beside = {other.stem: str(other) for other in file.parent.iterdir() if other.suffix == ".toml"}
    except OSError:
        beside = {}
    candidates = {name: name for name in packaged} | beside
    meant = nearest(file.stem, candidates)
    return (f"did you mean {candidates[meant]}?  " if meant else "") + _recipes_hint()


def _folder_hint(path: str) -> str:
    try:
        inside = sorted(str(file) for file in FilePath(path).glob("*.toml"))[:5]
    except OSError:
        inside = []
    return f"give one of its files: {', '.join(inside)}" if inside else _recipes_hint()


def lies_in_run_folder(recipe: str) -> bool:
    """Whether a recipe's file lies in a run folder or below one, itself or what it is a link to.

    A run folder is one with a run.json; of those further up, one with a recipe.toml too.
    """
    path = FilePath(recipe)
    if not path.is_file():  # a packaged recipe, or nothing
        return False
    # Also where what is there is a link that leads nowhere, or no file: whoever made the folder has a say in that.
    return any(
        os.path.lexists(folder / RECORD) and (folder == file.parent or os.path.lexists(folder / "recipe.toml"))
        for file in (path.absolute(), path.resolve())
        for folder in file.parents
    )


def origins_beside(recipe: str) -> dict[tuple[str, str], Origin]:
    """Return what brought each plugin of the run that a recipe is of, by kind and name; {} where nothing says it."""
    return recorded_origins(_record(FilePath(recipe).absolute().parent / RECORD))


def _record(path: FilePath) -> dict[str, Any]:
    try:
        record = read_json(path)
    except (FileNotFoundError, UnreadableError):
        return {}
    return record if isinstance(record, dict) else {}
