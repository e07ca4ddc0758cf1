"""Runs commands of glueft, one after the other, as if TensorFlow was not installed.

python without_tensorflow.py '[["run", "mrpc", "--sample"], ...]'

TensorFlow can be neither found nor imported, and has no version. Prints a JSON list: of each command its exit code, its
output and its errors.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import json
import sys
from collections.abc import Iterable
from typing import Any

HIDDEN = "tensorflow"


def hide() -> None:
    find_module = importlib.machinery.PathFinder.find_spec
    find_packages = importlib.metadata.MetadataPathFinder.find_distributions

    def find_spec(name: str, *rest: Any, **more: Any) -> Any:
        return None if name.partition(".")[0] == HIDDEN else find_module(name, *rest, **more)

    def find_distributions(*context: Any) -> Iterable[Any]:
        return (found for found in find_packages(*context) if found.metadata["Name"] != HIDDEN)

    importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)  # type: ignore[method-assign,assignment]
    importlib.metadata.MetadataPathFinder.find_distributions = find_distributions  # type: ignore[method-assign,assignment]


def check_hidden() -> None:
    assert importlib.util.find_spec(HIDDEN) is None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        raise AssertionError(importlib.metadata.version(HIDDEN))


def main() -> None:
    hide()
    check_hidden()
    from glueft.cli.main import command_line

    told = []
    for arguments in json.loads(sys.argv[1]):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = command_line(arguments)
        told.append([code, output.getvalue(), errors.getvalue()])
    assert HIDDEN not in sys.modules
    print(json.dumps(told))


if __name__ == "__main__":
    main()
