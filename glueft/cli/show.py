"""`glueft show`: the completed recipe or study."""

from __future__ import annotations

from glueft.cli.options import EitherName, Overrides, PluginFiles, Trust, Unset, read_either, takes_short_forms
from glueft.system.standard_output import aside
from glueft.text import say

EPILOG = """\b
Examples:
  glueft show mrpc
  glueft show recipes/mrpc.toml --set training.epochs=1 > mine.toml
  glueft show glue --set study.seeds=3 > my-study.toml
  glueft show mine.toml --unset task.validation --set task.validation_fraction=0.1
"""


@takes_short_forms
def show(
    recipe: EitherName,
    overrides: Overrides = None,
    unset: Unset = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> None:
    """Print a recipe or a study with every default.

    What is printed is complete itself, and runs as it is, from any folder.
    """
    with aside():  # a plugin that checks its options may print
        complete = read_either(recipe, overrides, unset, plugins=plugins, trust=trust).to_toml()
    say(*complete.rstrip("\n").split("\n"))
