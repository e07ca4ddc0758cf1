"""One-off plugins: a Python file that the user names, before it becomes a package."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from glueft.errors import PluginError
from glueft.suggest import did_you_mean
from glueft.system.plain_file import UnreadableError, read_bytes

PREFIX = "glueft_plugin_file_"
# A plugin is written by hand; what is larger is some other file.
LARGEST = 10_000_000


@dataclass(frozen=True)
class PluginFile:
    """A plugin file as it was read; two readings of the same text at the same path are equal.

    Attributes:
        path: absolute.
        source: the file's bytes. What runs is what was read, and what `sha256` is of.
    """

    path: str
    source: bytes = field(repr=False)

    @functools.cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self.source).hexdigest()

    def load(self) -> ModuleType:
        """Run the file as a module of its own. It raises whatever the file raises, SyntaxError included.

        Nothing is written beside it, and its folder is not put on `sys.path`: what is loaded is this one file.
        """
        # Named by its path too: two files called task.py are two modules.
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
    """Read a plugin file; nothing of it is run.

    Raises:
        PluginError: there is no such file, or it is not a Python file.
    """
    place = Path(path)
    fix = "name a Python file that defines a task, optimizer, schedule or callback; CONTRIBUTING shows one"
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
        fix = "look at its permissions and its path"
        raise _unusable(path, f"it cannot be read: {error}", str(error), fix) from None
    # `recipes/../mood.py` and `mood.py` are one file. A file that is a link stays the link that the user named.
    return PluginFile(str(Path(os.path.realpath(place.parent), place.name)), source)


def _unusable(path: str | Path, message: str, received: str, fix: str) -> PluginError:
    return PluginError(f"plugin file {path}: {message}", expected="a Python file", received=received, fix=fix)
