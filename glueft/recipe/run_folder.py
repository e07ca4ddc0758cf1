"""A recipe that lies in a run folder: somebody else may have written it, and run.json beside it names its packages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from glueft.plugin.origin import Origin, recorded_origins
from glueft.system.plain_file import UnreadableError, read_json

RECORD = "run.json"


def lies_in_run_folder(recipe: str) -> bool:
    """Whether a recipe's file lies in a run folder or below one, itself or what it is a link to.

    A run folder is one with a run.json; of those further up, one with a recipe.toml too.
    """
    path = Path(recipe)
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
    return recorded_origins(_record(Path(recipe).absolute().parent / RECORD))


def _record(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
    except (FileNotFoundError, UnreadableError):
        return {}
    return record if isinstance(record, dict) else {}
