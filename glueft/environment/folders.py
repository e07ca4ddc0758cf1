"""The folders that glueft and its libraries keep things in: where each is, how large, and whether there is room."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glueft.files import expanded, free_bytes
from glueft.plugin.file import state_folder
from glueft.training.keras_file import keras_folder
from glueft.training.program_cache import FOLDER, caches

# How long a folder is looked through for its size. A cache on a network may hold a million files.
SECONDS = 0.5
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Folder:
    """A folder.

    Attributes:
        holds: what is kept there.
        path: where it is.
        bytes: of its files; None if there is no such folder, or its size does not matter.
        is_whole: False where `bytes` are those found in the time that there was.
        free: bytes that are free on its disk; None if unknown.
        can_write: whether this user may write there, or make it.
    """

    holds: str
    path: str
    bytes: int | None
    is_whole: bool
    free: int | None
    can_write: bool


def folders(environment: Mapping[str, str]) -> list[Folder]:
    """Return the folders that count here."""
    kept: dict[str, Callable[[], Path]] = {
        "hub cache": lambda: Path(_of_the_hub("HF_HUB_CACHE")),
        "data sets": lambda: Path(environment.get("HF_DATASETS_CACHE", Path(_of_the_hub("HF_HOME"), "datasets"))),
        "Keras": lambda: keras_folder(environment),
        "JAX programs": lambda: Path(environment.get(FOLDER) or caches()),
        "glueft": state_folder,
    }
    used: dict[str, Callable[[], Path]] = {
        "this folder": Path.cwd,
        "temporary": lambda: Path(tempfile.gettempdir()),
        "shared memory": lambda: SHARED_MEMORY.resolve(strict=True),
    }
    found = []
    for holds, find in (kept | used).items():
        # The user may have no home, the current folder may be gone, and the hub's client missing, or refuse a variable.
        with suppress(OSError, RuntimeError, ImportError, ValueError):
            found.append(_folder(holds, expanded(find()), is_measured=holds in kept))
    return found


def _of_the_hub(constant: str) -> str:
    from huggingface_hub import constants

    return str(getattr(constants, constant))


def _folder(holds: str, path: Path, *, is_measured: bool) -> Folder:
    size, is_whole = _size(path) if is_measured and path.is_dir() else (None, True)
    there = next(place for place in (path, *path.parents) if place.exists())
    can_write = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Folder(holds, str(path), size, is_whole, free_bytes(there), can_write)


def _size(folder: Path) -> tuple[int, bool]:
    """The bytes of the files in a folder, links not followed, and whether all were found in time."""
    end = time.monotonic() + SECONDS
    size, left = 0, [folder]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if time.monotonic() > end:
                    return size, False
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
    return size, True
