"""`glueft validate`: check recipes without running them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.installed import warn_of_failures
from glueft.cli.options import Overrides, PluginFiles, Trust, Unset
from glueft.text import say

EPILOG = """\b
Examples:
  glueft validate recipes/mrpc.toml
  glueft validate recipes/*.toml
  glueft validate mrpc --set optimizer.plugin=adamw
"""


def validate(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="TOML recipes, or packaged ones by name.")],
    overrides: Overrides = None,
    unset: Unset = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> None:
    """Check recipes without running them.

    Print every problem of every recipe, with its line, what was expected and the nearest valid name. Nothing is
    downloaded. The exit code is 2 if any recipe has a problem.
    """
    from glueft.recipe import RecipeError, load_recipe
    from glueft.training.warnings import resume_notes

    warn_of_failures()
    bad = 0
    for name in recipes:
        try:
            recipe = load_recipe(name, overrides or [], plugins=plugins or [], unset=unset or [], trust=trust)
        except RecipeError as error:
            bad += 1
            sys.stdout.flush()
            say(*str(error).split("\n"), "", stream=sys.stderr)
        else:
            parts = f"task {recipe.task.name}, optimizer {recipe.optimizer.name}, schedule {recipe.schedule.name}"
            say(f"{name}: good ({parts})", *(f"{name}: {note}" for note in resume_notes(recipe)))
    if bad:
        raise typer.Exit(2)
