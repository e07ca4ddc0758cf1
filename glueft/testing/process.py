"""A fresh Python for a check: how it finds the class that is checked, and what it answers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from glueft.files import expanded
from glueft.plugin.base import Plugin
from glueft.plugin.file import is_file_module, read_plugin_file
from glueft.plugin.registry import use_registry
from glueft.testing.check import ContractBrokenError, NotCheckedError, Subject


@dataclass(frozen=True)
class Target:
    """A class, as another process finds it.

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
        # By the registry: a task of a plugin file may name metrics of the same file.
        file = read_plugin_file(self.file) if self.file else None
        module = use_registry(file).loaded[file.path].module if file else None
        found: type[Plugin] = attrgetter(self.qualname)(module or self.load_module())
        return found


def request_of(subject: Subject, ask: str, **more: Any) -> str:
    """The argument of `glueft.testing.worker`, in JSON.

    Args:
        subject: the plugin.
        ask: "import", "rows" or "checks".
        more: further keys.

    Raises:
        NotCheckedError: no other process can find the class.
    """
    data_dir = str(expanded(subject.data_dir).absolute()) if subject.data_dir else None
    target = asdict(Target.of(subject.cls))
    return json.dumps({"ask": ask, "target": target, "given": dict(subject.given), "data_dir": data_dir, **more})


def ask_worker(request: str, doing: str, **environment: str) -> Any:
    """Return what a fresh Python answers.

    Args:
        request: from `request_of`.
        doing: what it is asked to do, for the message: "import glueft_mood".
        environment: variables to set.

    Raises:
        ContractBrokenError: it fails.
    """
    command = [sys.executable, "-m", "glueft.testing.worker", request]
    done = subprocess.run(command, env=python_environment(**environment), capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ContractBrokenError(f"a fresh Python cannot {doing}: {why}")
    return json.loads(lines[-1])


def python_environment(**more: str) -> dict[str, str]:
    """This process's environment for another Python: what is importable here is importable there."""
    here = [str(Path(folder or ".").absolute()) for folder in sys.path]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    return os.environ | {"PYTHONPATH": os.pathsep.join(here)} | quiet | more
