"""Reads files from untrusted sources: regular files of limited size, and JSON of limited depth."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

# Far above any history.
MOST_BYTES = 64 << 20
# Far above any configuration, index or record; as Python objects, JSON may take thirty times its size.
MOST_JSON = 8 << 20
# No reader of JSON here needs more than six; copying or writing deeper values overflows Python's stack.
DEEPEST = 20
_DEEP = f"lists or tables nested more than {DEEPEST} deep"


class UnreadableError(Exception):
    """A file cannot be read, or is not what its readers can take; the text says why."""


def why_irregular(path: Path) -> str | None:
    """Return why an existing path is no regular file, or None; opening a pipe or a device may block for ever."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return error.strerror or str(error)
    return None if stat.S_ISREG(mode) else f"{_kind(mode)} in place of a file"


def refuse_irregular(path: Path) -> None:
    """Raise OSError if a path is a pipe, a device or a folder."""
    reason = why_irregular(path) if path.exists() else None
    if reason:
        raise OSError(errno.EINVAL, reason, str(path))


def leaving_link(folder: Path) -> Path | None:
    """Return the first symbolic link in a folder, at any depth, that leads out of it; None if there is none.

    The folder itself may be a link. In the local cache of the hub a checkpoint's files are links to the blobs beside
    their folder: there these do not leave it.
    """
    home = folder.resolve()
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else None
    for place, folders, files in os.walk(home):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            if not path.is_symlink():
                continue
            try:
                target = path.resolve()
            except (OSError, RuntimeError):  # links that lead to each other
                return path
            if not target.is_relative_to(home) and (blobs is None or target.parent != blobs):
                return path
    return None


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file; a link to one serves.
        most: how many bytes it may have.

    Raises:
        FileNotFoundError: there is none.
        UnreadableError: it is a folder, a pipe or a device, is larger, or cannot be read.
    """
    try:
        # Do not wait for a writer of a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor, not a path
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise UnreadableError(f"{_kind(mode)} in place of a file")
            content = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the path
        raise UnreadableError(str(error)) from None
    if len(content) > most:
        raise UnreadableError(f"more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Return the text of a regular file in UTF-8; raises as `read_bytes`."""
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"a byte that is not UTF-8, number {error.start + 1}") from None


def read_json(path: Path, most: int = MOST_JSON) -> Any:
    """Return the content of a JSON file, nested no deeper than `DEEPEST`; raises as `read_bytes`."""
    return parse_json(read_text(path, most), most)


def parse_json(text: str, most: int = MOST_JSON) -> Any:
    """Return the value of a JSON text.

    Raises:
        UnreadableError: it is not JSON, has a number of thousands of digits, is nested deeper than `DEEPEST`, or has
            more than `most` characters.
    """
    if len(text) > most:
        raise UnreadableError(f"more than {most:,} characters of JSON")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnreadableError(str(error) if text.strip() else "an empty file") from None
    except RecursionError:
        raise UnreadableError(_DEEP) from None
    if is_deep(value):
        raise UnreadableError(_DEEP)
    return value


def is_deep(value: object, most: int = DEEPEST) -> bool:
    """Whether lists and tables are nested more than `most` deep; without recursion."""
    layer = [value]
    for _ in range(most + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
