"""Packages that a callback needs and that glueft installs on demand only."""

from __future__ import annotations

import importlib.util

import glueft


def require(package: str, *, callback: str) -> None:
    """Raise PluginError unless a package is installed; its extra of glueft bears the callback's name."""
    if importlib.util.find_spec(package) is None:
        raise glueft.PluginError(
            f'callback "{callback}" needs the package {package}, which is not installed',
            expected=f"the package {package}",
            received="nothing of that name",
            fix=f"pip install 'glueft[{callback}]', or take the callback out of the recipe",
        )
