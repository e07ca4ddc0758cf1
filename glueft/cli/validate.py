"""`glueft validate`: check recipes and studies without running them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from glueft.cli.installed import warn_of_failures
from glueft.cli.options import Overrides, PluginFiles, Trust, Unset, takes_short_forms
from glueft.text import counted, say

EPILOG = """\b
Examples:
  glueft validate recipes/mrpc.toml
  glueft validate recipes/*.toml
  glueft validate mrpc --set optimizer.plugin=adamw
  glueft validate recipes/glue.toml            a study, with every recipe that it would run
"""


@takes_short_forms
def validate(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE", help="TOML recipes and studies, or packaged ones by name.")
    ],
    overrides: Overrides = None,
    unset: Unset = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
) -> None:
    """Check recipes and studies without running them.

    Print every problem of every recipe, and of every recipe that a study would run, with its line, what was expected
    and the nearest valid name. Nothing is downloaded. The exit code is 2 if any of them has a problem.
    """
    from glueft.recipe import RecipeError

    warn_of_failures()
    bad = 0
    for name in recipes:
        try:
            good = _good(name, overrides or [], plugins=plugins or [], unset=unset or [], trust=trust)
        except RecipeError as error:
            bad += 1
            sys.stdout.flush()
            say(*str(error).split("\n"), "", stream=sys.stderr)
        else:
            say(*(f"{name}: {line}" for line in good))
    if bad:
        raise typer.Exit(2)


def _good(name: str, overrides: Sequence[str], **options: Any) -> list[str]:
    """What is said of a recipe or study that is in order.

    Raises:
        RecipeError: it is not.
    """
    from glueft.recipe import StudyGivenError, load_recipe
    from glueft.training.warnings import resume_notes

    try:
        recipe = load_recipe(name, overrides, **options)
    except StudyGivenError as given:
        from glueft.studies.definition.file import load_study  # a recipe does not need it

        study = load_study(name, overrides, **options, text=given.text)
        names = ", ".join(recipe.name for recipe in study.recipes)
        return [f"good (a study of {counted(len(study.recipes), 'recipe')}: {names})"]
    parts = f"task {recipe.task.name}, optimizer {recipe.optimizer.name}, schedule {recipe.schedule.name}"
    parts += "" if recipe.loss is None else f", loss {recipe.loss.name}"
    parts += "" if recipe.distill is None else f", teacher {recipe.distill.teacher}"
    return [f"good ({parts})", *resume_notes(recipe)]
