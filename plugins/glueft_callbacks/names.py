"""The type of an option that names a file in the run folder."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator


def _inside(text: str) -> str:
    path = PurePath(text)
    if not text.strip() or any(ord(character) < 32 for character in text):
        raise ValueError("must not be empty or hold control characters")
    if path.is_absolute() or ".." in path.parts or text.startswith("~") or len(path.parts) != 1:
        raise ValueError("must be a plain name, without folders: it lies in the run folder")
    return text


InRunFolder = Annotated[str, AfterValidator(_inside)]
