"""`glueft list`: the packaged recipes and studies, the installed plugins, and those that cannot be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import typer

from glueft.cli.installed import find_kind, registry_with, source_of
from glueft.cli.options import AsJsonAlone, PluginFiles, print_json
from glueft.cli.wrapping import say_wrapped, terminal_width
from glueft.plugin.kinds import KINDS, one_of
from glueft.text import printable_line, say

EPILOG = """\b
Examples:
  glueft list
  glueft list task
  glueft list recipe                the packaged recipes, for `glueft run NAME`
  glueft list --json
  glueft list --plugin my_task.py
"""


# What is listed beside the kinds of plugins.
PACKAGED = ("recipe", "study")


# Where a terminal leaves a description fewer columns, it stands below its name.
_DESCRIBED = 40


def kinds() -> list[str]:
    """For completion in the shell."""
    return [*PACKAGED, *KINDS]


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help=f"{one_of([*PACKAGED, *KINDS])}; all if left out.", autocompletion=kinds),
    ] = None,
    files: PluginFiles = None,
    as_json: AsJsonAlone = False,
) -> None:
    """List the packaged recipes and studies, and the installed plugins.

    It shows kind, name, package and description; then the plugins that cannot be used, and why.
    """
    registry = registry_with(files)
    packaged = [row for row in _packaged() if kind in (None, row["kind"], _plural(row["kind"]))]
    only_packaged = kind is not None and kind in {*PACKAGED, *map(_plural, PACKAGED)}
    wanted = None if kind is None or only_packaged else find_kind(kind, PACKAGED)
    found = [] if only_packaged else registry.all(wanted)
    if as_json:
        plugins = [
            {"kind": plugin.kind, "name": plugin.name, "description": plugin.cls.description(), **source_of(plugin)}
            for plugin in found
        ]
        failures = [dataclasses.asdict(failure) for failure in registry.failures]
        print_json({"recipes": packaged, "plugins": plugins, "failures": failures})
        return
    rows = [(row["kind"], row["name"], "packaged", row["description"]) for row in packaged]
    rows += [(plugin.kind, plugin.name, plugin.origin, plugin.cls.description()) for plugin in found]
    _print_table(rows)
    if not rows:
        say(f"no {wanted or 'plugin'} is installed")
    if registry.failures:
        say("", "cannot be used:")
        for failure in registry.failures:
            say(f"  {failure}")


def _packaged() -> list[dict[str, str]]:
    """The recipes and studies that glueft ships; the first line of each says what it is."""
    from glueft.recipe.file import packaged_recipes, packaged_studies, read_text

    named = [*(("recipe", name) for name in packaged_recipes()), *(("study", name) for name in packaged_studies())]
    return [{"kind": kind, "name": name, "description": _first_line(read_text(name)[1])} for kind, name in named]


def _first_line(text: str) -> str:
    """The first line of a recipe that is a comment for people."""
    for line in text.splitlines():
        if line.startswith("# "):
            return line.removeprefix("# ").strip()
    return ""


def _plural(kind: str) -> str:
    return {"recipe": "recipes", "study": "studies"}[kind]


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    shown = [tuple(map(printable_line, row)) for row in rows]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(3)]
    hanging, width = sum(widths) + 2 * len(widths), terminal_width()
    apart = width is not None and width - hanging < _DESCRIBED
    for row in shown:
        begin = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        if apart:
            say(begin.rstrip())
            say_wrapped(f"    {row[3]}", 4)
        else:
            say_wrapped(f"{begin}  {row[3]}", hanging)
