"""Packages that a callback needs and that are extras of glueft."""

from __future__ import annotations

import importlib.util

import glueft


def require(package: str, *, callback: str) -> None:
    """Raise PluginError unless a package is installed; the extra of glueft has the callback's name."""
    if importlib.util.find_spec(package) is None:
        raise glueft.PluginError(
            f'callback "{callback}" needs the package {package}, which is not installed',
            expected=f"the package {package}",
            received="no such package",
            fix=f"pip install 'glueft[{callback}]', or take the callback out of the recipe",
        )
