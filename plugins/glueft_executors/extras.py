"""Packages that an executor needs and that are extras of glueft."""

from __future__ import annotations

import importlib.util

import glueft


def require(package: str, *, executor: str) -> None:
    """Raise PluginError unless a package is installed; the extra of glueft has the executor's name."""
    if importlib.util.find_spec(package) is None:
        raise glueft.PluginError(
            f'the executor "{executor}" needs the package {package}, which is not installed',
            expected=f"the package {package}",
            received="no such package",
            fix=f"pip install 'glueft[{executor}]', or set study.executor.plugin = \"local\"",
        )
