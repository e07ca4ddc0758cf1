"""Plugin files: a Python file that the user names is loaded as a plugin, without a package.

One that a run folder names is loaded only if a run of this user has loaded it before. A run folder may come from
anywhere and anybody can write what it says, the host's name and the file's SHA-256 included. So every run notes its
plugin files in the user's own state folder: one empty file for each path and content, named by their SHA-256.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from glueft.errors import PluginError
from glueft.suggest import did_you_mean
from glueft.system.plain_file import UnreadableError, read_bytes

PREFIX = "glueft_plugin_file_"
# A larger file is no plugin.
LARGEST = 10_000_000


@dataclass(frozen=True)
class PluginFile:
    """A plugin file as it was read; two readings of the same text at the same path are equal.

    Attributes:
        path: absolute.
        source: the file's bytes: those that `load` runs, and of which `sha256` is.
    """

    path: str
    source: bytes = field(repr=False)

    @functools.cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.source).hexdigest()

    def load(self) -> ModuleType:
        """Run the file as a module of its own. Raises whatever the file raises, SyntaxError included.

        No bytecode is written, and the file's folder is not put on `sys.path`.
        """
        # The path is part of the name: two files called task.py are two modules.
        stem = re.sub(r"\W", "_", Path(self.path).stem)
        name = f"{PREFIX}{stem}_{hashlib.sha256(self.path.encode('utf-8', 'replace')).hexdigest()[:8]}"
        module = ModuleType(name)
        module.__file__ = self.path
        sys.modules[name] = module
        try:
            exec(compile(self.source, self.path, "exec", dont_inherit=True), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def is_file_module(module: str) -> bool:
    """Whether a module of this name came from a plugin file."""
    return module.startswith(PREFIX)


def read_plugin_file(path: str | Path) -> PluginFile:
    """Read a plugin file without running it.

    Raises:
        PluginError: there is no such file, or it is not a Python file.
    """
    place = Path(path)
    fix = "name a Python file that defines a plugin; docs/plugins.md shows one"
    if place.is_dir():
        raise _unusable(path, "this is a folder", "a folder", fix)
    if place.suffix != ".py":
        raise _unusable(path, "this is not a Python file", f"a name that ends in {place.suffix or 'no suffix'}", fix)
    try:
        source = read_bytes(place, LARGEST)
    except FileNotFoundError:
        beside = sorted(file.name for file in place.parent.glob("*.py")) if place.parent.is_dir() else []
        listing = f"Python files in that folder: {', '.join(beside[:5])}{', ...' if len(beside) > 5 else ''}"
        fix = did_you_mean(place.name, beside) + listing if beside else "check the path"
        raise _unusable(path, "there is no such file", "nothing", fix) from None
    except UnreadableError as error:
        fix = "check its permissions and its path"
        raise _unusable(path, f"it cannot be read: {error}", str(error), fix) from None
    # `recipes/../mood.py` and `mood.py` are one file. A file that is a link stays the link that the user named.
    return PluginFile(str(Path(os.path.realpath(place.parent), place.name)), source)


def _unusable(path: str | Path, message: str, received: str, fix: str) -> PluginError:
    return PluginError(f"plugin file {path}: {message}", expected="a Python file", received=received, fix=fix)


def is_trusted(file: PluginFile) -> bool:
    """Whether a run of this user, on this machine, has loaded this file: the same content at the same path.

    A note that another user could have written does not count.
    """
    try:
        note = _note(file)
        return all(map(_is_own, (note, note.parent)))
    except (OSError, RuntimeError):  # There is no note, or the user has no home folder.
        return False


def remember_trusted(files: Iterable[PluginFile]) -> None:
    """Note that a run of this user loads these files. Where that cannot be written, the user is asked again."""
    for file in files:
        try:
            note = _note(file)
            note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            note.touch(mode=0o600)
        except (OSError, RuntimeError):
            continue


def state_folder() -> Path:
    """Return the folder with glueft's state of this user, below XDG_STATE_HOME.

    See the XDG Base Directory Specification, https://specifications.freedesktop.org/basedir-spec/.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    if Path(named).is_absolute():  # A relative path is to be ignored, says the specification, and so is an empty one.
        return Path(named) / "glueft"
    if sys.platform == "win32" and Path(os.environ.get("LOCALAPPDATA", "")).is_absolute():
        return Path(os.environ["LOCALAPPDATA"]) / "glueft"
    return Path("~/.local/state/glueft").expanduser()


def _note(file: PluginFile) -> Path:
    name = hashlib.sha256(os.fsencode(file.path) + b"\0" + file.sha256.encode()).hexdigest()
    return state_folder() / "plugin-files" / name


def _is_own(path: Path) -> bool:
    """Whether only this user can have made or changed the file or folder."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "geteuid") or (
        found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
