"""`glueft list`: the installed plugins, and those that cannot be used."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.json_option import AsJsonAlone, print_json
from glueft.cli.plugin_option import PluginFiles, registry_with
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
    """The words that a shell may complete."""
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

    Each with its kind, name, package and description; then those that cannot be used, and why.
    """
    registry = registry_with(files)
    wanted = the_kind(kind)
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


def source_of(plugin: Registered) -> dict[str, str | None]:
    """What brings a plugin, for `--json`: a package and its version, or a file."""
    file = plugin.point.file
    return {
        "package": None if file else plugin.package,
        "version": None if file else plugin.version,
        "file": file.path if file else None,
    }


def the_kind(kind: str | None) -> str | None:
    """Return a kind of plugin by its name, also in the plural.

    Raises:
        GlueftError: there is no such kind.
    """
    from glueft.errors import GlueftError
    from glueft.suggest import did_you_mean

    if kind is None or kind in KINDS:
        return kind
    plural = next((row.name for row in KINDS.values() if row.plural == kind), None)
    if plural:
        return plural
    raise GlueftError(
        f'there is no kind of plugin called "{kind}"',
        expected=f"one of {', '.join(KINDS)}",
        received=f'"{kind}"',
        fix=did_you_mean(kind, KINDS).strip() or "leave it out to list all",
    )


def _print_table(plugins: list[Registered]) -> None:
    rows = [
        tuple(map(printable_line, (plugin.kind, plugin.name, plugin.origin, plugin.cls.description())))
        for plugin in plugins
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)) + f"  {row[3]}")
