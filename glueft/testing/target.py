"""How a process of its own finds the class that is checked: by its module, or by the plugin file that defines it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.file import is_file_module, read_plugin_file
from glueft.testing.check import NotCheckedError


@dataclass(frozen=True)
class Target:
    """A class.

    Attributes:
        module: the module that defines it; empty for one of a plugin file.
        file: that file; empty for a module.
        qualname: the class's name in it.
    """

    module: str
    file: str
    qualname: str

    @classmethod
    def of(cls, plugin: type[Plugin]) -> Target:
        """The target of a class.

        Raises:
            NotCheckedError: no other process can find it, as it was made inside a function.
        """
        if "<locals>" in plugin.__qualname__:
            raise NotCheckedError("the class is defined inside a function, where no other process finds it")
        if is_file_module(plugin.__module__):
            return cls("", str(sys.modules[plugin.__module__].__file__), plugin.__qualname__)
        return cls(plugin.__module__, "", plugin.__qualname__)

    def load_module(self) -> ModuleType:
        """Import the module, or run the file."""
        return read_plugin_file(self.file).load() if self.file else importlib.import_module(self.module)

    def load(self) -> type[Plugin]:
        """Return the class."""
        found: type[Plugin] = attrgetter(self.qualname)(self.load_module())
        return found

    def values(self) -> dict[str, str]:
        """The target as plain values."""
        return asdict(self)


def run_python(module: str, request: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this package in a new Python that sees the same packages, with a request as its argument."""
    return subprocess.run(
        [sys.executable, "-m", module, request], env=python_environment(**environment), capture_output=True, text=True
    )


def python_environment(**more: str) -> dict[str, str]:
    """This process's environment for another Python: what is importable here is importable there."""
    here = [str(Path(folder or ".").absolute()) for folder in sys.path]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    return os.environ | {"PYTHONPATH": os.pathsep.join(here)} | quiet | more


def last_line(done: subprocess.CompletedProcess[str]) -> Any:
    """The last line of what a process printed, an answer in JSON; None if it failed."""
    import json

    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None
