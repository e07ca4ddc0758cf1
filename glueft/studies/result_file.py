"""study.json: what a study has found so far, written and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import StudyError
from glueft.files import write_text
from glueft.studies.result import StudyResult
from glueft.system.plain_file import UnreadableError, read_json
from glueft.text import json_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NAME = "study.json"
# Bytes: 20,000 runs of ten epochs and more.
_MOST = 64 << 20


def is_study_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a study has been run in a folder."""
    return Path(path, NAME).is_file()


def studies_in(folder: str | os.PathLike[str]) -> list[str]:
    """Return the folders of studies that lie in a folder, such as in `studies`."""
    return sorted(str(path.parent) for path in Path(folder).glob(f"*/{NAME}"))


def write_result(result: StudyResult) -> None:
    """Write study.json whole; folders in that of the study are written as seen from there, so that it can be moved.

    It is one line: a driver writes it often, and with line breaks that takes three times as long.

    Raises:
        OSError: it cannot be written.
    """
    written, home = as_json(result), f"{result.folder}{os.sep}"
    for recipe in written["recipes"]:
        for run in recipe["runs"]:
            run["folder"] = run["folder"] and run["folder"].removeprefix(home)
    written["left_out"] = [(path.removeprefix(home), reason) for path, reason in written["left_out"]]
    write_text(result.folder / NAME, json_text(written) + "\n")


def as_json(result: StudyResult) -> dict[str, Any]:
    """Return all of a result as JSON has it; folders are absolute."""
    plain: dict[str, Any] = _plain(result)
    return plain


def _plain(value: Any) -> Any:
    """A value as JSON has it. `dataclasses.asdict` copies each number, which takes ten times as long."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [*map(_plain, value)]
    return {key: _plain(item) for key, item in vars(value).items()} if is_dataclass(value) else str(value)


def read_result(folder: str | os.PathLike[str]) -> StudyResult:
    """Read study.json of a folder. Keys of a later glueft are left out.

    Raises:
        StudyError: there is none, or it is not what it should be.
    """
    place = Path(folder).absolute()
    path = place / NAME
    try:
        content = read_json(path, _MOST) if place.is_dir() else None
    except FileNotFoundError:
        content = None
    except UnreadableError as error:
        raise _unreadable(path, error) from None
    if content is None:
        inside = studies_in(folder)
        raise StudyError(
            f"{folder} is not the folder of a study",
            expected=f"a folder with a {NAME}",
            received="a folder without one" if place.is_dir() else "a file" if place.exists() else "nothing there",
            fix=f"name the folder that `glueft study` has made, such as {inside[0] if inside else 'studies/glue'}",
        )
    try:
        result = _adapter().validate_python(content | {"folder": place})
    except (TypeError, ValueError) as error:
        raise _unreadable(path, error) from None
    recipes = [
        replace(recipe, runs=[replace(run, folder=run.folder and place / run.folder) for run in recipe.runs])
        for recipe in result.recipes
    ]
    left_out = [(str(place / path), reason) for path, reason in result.left_out]
    return replace(result, recipes=recipes, left_out=left_out)


def _unreadable(path: Path, error: Exception) -> StudyError:
    return StudyError(
        f"{path} cannot be read",
        expected="what `glueft study` writes",
        received=_first_fault(error),
        fix="remove it and run `glueft study` again: finished runs are not repeated",
    )


@cache
def _adapter() -> TypeAdapter[StudyResult]:
    from pydantic import TypeAdapter

    return TypeAdapter(StudyResult)


def _first_fault(error: Exception) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return str(error)
