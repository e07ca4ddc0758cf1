"""Whether a plugin file that a run folder names may be run: only one that a run of this user, here, has run before.

Whoever starts a run on a recipe of his own runs its plugin files knowingly, and so does who names one with `--plugin`.
A run folder may come from anywhere; what it says of itself, the host's name and the file's SHA-256 included, anybody
can write. So each run of this user notes its plugin files where no run folder reaches: in the user's own state folder,
one empty file for each path and content, named by their SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from glueft.plugin.file import PluginFile


def is_trusted(file: PluginFile) -> bool:
    """Whether a run of this user, on this machine, has run this very file: the same content at the same path.

    A note that another user could have written does not count.
    """
    try:
        note = _note(file)
        return all(map(_is_own, (note, note.parent)))
    except (OSError, RuntimeError):  # no note, or a user without a home folder
        return False


def remember_trusted(files: Iterable[PluginFile]) -> None:
    """Note that a run of this user runs these files. Where that cannot be written, they are asked for again."""
    for file in files:
        try:
            note = _note(file)
            note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            note.touch(mode=0o600)
        except (OSError, RuntimeError):
            continue


def state_folder() -> Path:
    """Return where glueft keeps what it knows of this user: below XDG_STATE_HOME, as that specification has it.

    See the XDG Base Directory Specification, https://specifications.freedesktop.org/basedir-spec/.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    if Path(named).is_absolute():  # A relative one is to be ignored, says the specification; so is an empty one.
        return Path(named) / "glueft"
    if sys.platform == "win32" and Path(os.environ.get("LOCALAPPDATA", "")).is_absolute():
        return Path(os.environ["LOCALAPPDATA"]) / "glueft"
    return Path("~/.local/state/glueft").expanduser()


def _note(file: PluginFile) -> Path:
    name = hashlib.sha256(os.fsencode(file.path) + b"\0" + file.sha256.encode()).hexdigest()
    return state_folder() / "plugin-files" / name


def _is_own(path: Path) -> bool:
    """Whether nobody but this user can have made or changed what is there."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "geteuid") or (
        found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
