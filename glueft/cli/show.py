"""`glueft show`: the completed recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.plugin_option import PluginFiles, Trust
from glueft.cli.recipe_options import Unset
from glueft.system.standard_output import aside
from glueft.text import say

EPILOG = """\b
Examples:
  glueft show mrpc
  glueft show recipes/mrpc.toml --set training.epochs=1 > mine.toml
  glueft show mine.toml --unset task.validation --set task.validation_fraction=0.1
"""


def show(
    recipe: Annotated[str, typer.Argument(help="A TOML recipe, or the name of a packaged one (mrpc, sst2).")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe; VALUE is TOML. Repeatable."),
    ] = None,
    unset: Unset = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> None:
    """Print a recipe with every default.

    What is printed is a complete recipe itself, and runs as it is.
    """
    from glueft.cli.plugin_commands import warn_of_failures
    from glueft.recipe import load_recipe

    warn_of_failures()
    with aside():  # a plugin that checks its options may print
        complete = load_recipe(recipe, overrides or [], plugins=plugins or [], unset=unset or [], trust=trust).to_toml()
    say(*complete.rstrip("\n").split("\n"))
