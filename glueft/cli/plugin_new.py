"""`glueft plugin new`: a package for a new plugin, complete and ready to run."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from glueft.cli.installed import find_kind
from glueft.files import expanded
from glueft.plugin.kinds import one_of
from glueft.plugin.registry import load_registry
from glueft.plugin.scaffold import kinds_with_template, make_package
from glueft.text import say

EPILOG = """\b
Examples:
  glueft plugin new demo
  glueft plugin new triangle --kind schedule --directory ~/plugins
"""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What recipes will call the plugin, such as my_task.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KIND",
            help=f"{one_of(kinds_with_template())}.",
            autocompletion=kinds_with_template,
            show_default=True,
        ),
    ] = "task",
    directory: Annotated[str, typer.Option(metavar="DIR", help="Where the package's folder is made.")] = ".",
) -> None:
    """Begin a plugin of your own: a complete package.

    The folder glueft-NAME gets pyproject.toml with the entry point, a module that works, tests that pass, a recipe,
    and for a task a few sample rows. Change it as you like.
    """
    place = expanded(directory)
    kind = find_kind(kind)
    written = make_package(name, kind, place, load_registry())
    folder = place / written[0].relative_to(place).parts[0]
    say(f"{folder} holds a package with the {kind} {name}:", "")
    for file in written:
        say(f"  {file.relative_to(place)}")
    # With a path: pip would look for plain `glueft-demo[test]` in the package index.
    shown = shlex.quote(f"{folder if folder.is_absolute() else f'./{folder}'}[test]")
    say(
        "",
        "It works as it is:",
        "",
        f"  pip install {shown}",
        f"  glueft plugin check {name}",
        f"  pytest {shlex.quote(str(folder))}",
        f"  glueft run {shlex.quote(f'{folder}/recipe.toml')}",
        "",
        f"{folder}/README.md says what to change.",
    )
