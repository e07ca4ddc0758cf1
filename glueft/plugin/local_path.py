"""The type of an option that names a file or folder: relative to the recipe, and absolute once it is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def _placed(text: str, info: ValidationInfo) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("must not hold control characters, such as a line break")
    folder_of: Callable[[str], Path] | None = info.context
    # Options made in Python have no recipe around them: their paths stay as they are.
    return text if folder_of is None or info.field_name is None else absolute(text, folder_of(info.field_name))


def absolute(path: str, folder: Path) -> str:
    """A path that begins at `folder`, or at the home folder after `~`, as an absolute one."""
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:  # `~nobody` stays as it is.
        expanded = Path(path)
    # Not `resolve`: a link stays the link that the user named.
    return str((folder / expanded).absolute())


LocalPath = Annotated[str, AfterValidator(_placed)]
"""A file or folder. A relative one begins at the folder of the recipe it stands in, or at the working folder where it
comes from the command line; in the checked options it is absolute. It need not exist."""
