"""`glueft list`: the installed plugins, and those that cannot be used."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.installed import find_kind, registry_with, source_of
from glueft.cli.options import AsJsonAlone, PluginFiles, print_json
from glueft.plugin.kinds import KINDS, one_of
from glueft.text import printable_line, say

if TYPE_CHECKING:
    from glueft.plugin.registry import Registered

EPILOG = """\b
Examples:
  glueft list
  glueft list task
  glueft list --json
  glueft list --plugin my_task.py
"""


def kinds() -> list[str]:
    """For completion in the shell."""
    return list(KINDS)


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help=f"{one_of(KINDS)}; all if left out.", autocompletion=kinds),
    ] = None,
    files: PluginFiles = None,
    as_json: AsJsonAlone = False,
) -> None:
    """List the installed plugins.

    It shows kind, name, package and description; then the plugins that cannot be used, and why.
    """
    registry = registry_with(files)
    wanted = None if kind is None else find_kind(kind)
    plugins = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "description": plugin.cls.description(),
            **source_of(plugin),
        }
        for plugin in registry.all(wanted)
    ]
    if as_json:
        failures = [dataclasses.asdict(failure) for failure in registry.failures]
        print_json({"plugins": plugins, "failures": failures})
        return
    _print_table(registry.all(wanted))
    if not plugins:
        say(f"no {wanted or 'plugin'} is installed")
    if registry.failures:
        say("", "cannot be used:")
        for failure in registry.failures:
            say(f"  {failure}")


def _print_table(plugins: list[Registered]) -> None:
    rows = [
        tuple(map(printable_line, (plugin.kind, plugin.name, plugin.origin, plugin.cls.description())))
        for plugin in plugins
    ]
    columns = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, columns, strict=False)) + f"  {row[3]}")
