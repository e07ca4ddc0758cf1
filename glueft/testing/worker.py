"""Runs the checks of one plugin in a process of its own, and tells of each in a line of JSON.

python -m glueft.testing.worker '{"target": {...}, "given": {}, "data_dir": null, "leave_out": []}'
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from glueft import testing
from glueft.testing.target import Target


def main(request: dict[str, Any]) -> None:
    """Run the checks; what the plugin prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**line: Any) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    data_dir = request["data_dir"]
    for check in testing.checks(Target(**request["target"]).load(), request["given"], data_dir and Path(data_dir)):
        if check.name in request["leave_out"]:
            continue
        for module in check.imports:
            importlib.import_module(module)
        tell(begin=check.name, needs_rows=check.needs_rows)
        try:
            tell(end=check.name, state="passed", said=check.run())
        except testing.NotCheckedError as reason:
            tell(end=check.name, state="not checked", said=str(reason))
        except testing.ContractBrokenError as broken:
            tell(end=check.name, state="failed", said=str(broken))
    tell(done=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
