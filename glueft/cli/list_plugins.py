"""`glueft list`: the installed plugins, and those that cannot be used."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

EPILOG = """\b
Examples:
  glueft list
  glueft list task
  glueft list --json
"""


def kinds() -> list[str]:
    """The words that a shell may complete."""
    from glueft.registry import KINDS

    return list(KINDS)


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help="task, optimizer, schedule or callback; all if left out.", autocompletion=kinds),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the installed plugins.

    Each with its kind, its name, the package that brings it and a description; then what cannot be used, and why.
    """
    from glueft.registry import load_registry

    registry = load_registry()
    wanted = the_kind(kind)
    plugins = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "description": plugin.cls.description(),
            "package": plugin.package,
            "version": plugin.version,
        }
        for plugin in registry.all(wanted)
    ]
    if as_json:
        failures = [dataclasses.asdict(failure) for failure in registry.failures]
        print(json.dumps({"plugins": plugins, "failures": failures}, ensure_ascii=False))
        return
    _print_table(plugins)
    if not plugins:
        print(f"no {wanted or 'plugin'} is installed")
    if registry.failures:
        print("\ncannot be used:")
        for failure in registry.failures:
            print(f"  {failure}")


def the_kind(kind: str | None) -> str | None:
    """Return a kind of plugin by its name, also in the plural.

    Raises:
        GlueftError: there is no such kind.
    """
    from glueft.errors import GlueftError
    from glueft.nearest import did_you_mean
    from glueft.registry import KINDS

    if kind is None or kind in KINDS:
        return kind
    if kind.removesuffix("s") in KINDS:
        return kind.removesuffix("s")
    raise GlueftError(
        f'there is no kind of plugin called "{kind}"',
        expected=f"one of {', '.join(KINDS)}",
        received=f'"{kind}"',
        mend=did_you_mean(kind, KINDS).strip() or "leave it out to list all",
    )


def _print_table(plugins: list[dict[str, Any]]) -> None:
    rows = [
        (plugin["kind"], plugin["name"], f"{plugin['package']} {plugin['version']}", plugin["description"])
        for plugin in plugins
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)) + f"  {row[3]}")
