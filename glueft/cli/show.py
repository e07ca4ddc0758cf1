"""`glueft show`: the completed recipe."""

from __future__ import annotations

from glueft.cli.options import Overrides, PluginFiles, RecipeName, Trust, Unset, read_recipe
from glueft.system.standard_output import aside
from glueft.text import say

EPILOG = """\b
Examples:
  glueft show mrpc
  glueft show recipes/mrpc.toml --set training.epochs=1 > mine.toml
  glueft show mine.toml --unset task.validation --set task.validation_fraction=0.1
"""


def show(
    recipe: RecipeName,
    overrides: Overrides = None,
    unset: Unset = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> None:
    """Print a recipe with every default.

    What is printed is a complete recipe itself, and runs as it is.
    """
    with aside():  # a plugin that checks its options may print
        complete = read_recipe(recipe, overrides, unset, plugins=plugins, trust=trust).to_toml()
    say(*complete.rstrip("\n").split("\n"))
