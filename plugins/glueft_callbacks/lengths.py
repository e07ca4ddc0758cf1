"""Files that a callback appends to: how long they were when the run was saved, and cut back to that."""

from __future__ import annotations

import os
from pathlib import Path

import glueft


def synced_length(path: Path) -> int:
    """Return the length of a file in bytes, once all of it is on the disk; 0 if there is none.

    Whoever writes the file has flushed it.
    """
    if not path.is_file():
        return 0
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END)


def cut(path: Path, length: int) -> None:
    """Cut a file to its first `length` bytes.

    Raises:
        PluginError: it is gone, or shorter than that.
    """
    there = path.stat().st_size if path.is_file() else None
    if there is None or there < length:
        raise glueft.PluginError(
            f"{path} does not have all that the run had written when it was saved",
            expected=f"a file of at least {length:,} bytes",
            received="no such file" if there is None else f"one of {there:,} bytes",
            fix="put it back as it was, or begin the run anew with glueft run",
        )
    os.truncate(path, length)
