"""The fresh Python of a check: imports a plugin, loads a task's rows, or runs every check.

python -m glueft.testing.worker '{"ask": "checks", "target": {...}, "given": {}, "data_dir": null, "leave_out": []}'
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from glueft.testing.process import Target

HEAVY = ("tensorflow", "keras", "jax", "torch", "datasets", "transformers", "evaluate", "pandas", "sklearn", "scipy")


# What the plugin prints goes to standard error.
_ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def tell(**line: Any) -> None:
    """Print a line of JSON for the process that asks."""
    _ANSWERS.write(json.dumps(line) + "\n")
    _ANSWERS.flush()


def tell_import(request: dict[str, Any]) -> None:
    """Print the heavy packages that the import of the plugin's module imports, and its seconds."""
    before = set(sys.modules)
    begin = time.perf_counter()
    Target(**request["target"]).load_module()
    seconds = time.perf_counter() - begin
    heavy = [name for name in HEAVY if name in sys.modules and name not in before]
    tell(heavy=heavy, seconds=seconds)


def tell_rows(request: dict[str, Any]) -> None:
    """Print the SHA-256 of each split of a task's rows."""
    from glueft.testing.check import Subject

    data_dir = request["data_dir"]
    subject = Subject(Target(**request["target"]).load(), request["given"], data_dir and Path(data_dir))
    tell(**{split: rows.sha256 for split, rows in subject.load().items()})


def tell_checks(request: dict[str, Any]) -> None:
    """Run the checks, and print a line before and after each."""
    from glueft import testing

    for check in testing.checks(Target(**request["target"]).load(), request["given"], request["data_dir"]):
        if check.name in request["leave_out"]:
            continue
        for module in check.imports:
            importlib.import_module(module)
        tell(begin=check.name)
        try:
            tell(end=check.name, state="passed", said=check.run())
        except testing.NotCheckedError as reason:
            tell(end=check.name, state="not checked", said=str(reason))
        except testing.ContractBrokenError as broken:
            tell(end=check.name, state="failed", said=str(broken))
    tell(done=True)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    {"import": tell_import, "rows": tell_rows, "checks": tell_checks}[asked["ask"]](asked)
