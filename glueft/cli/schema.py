"""`glueft schema`: the JSON schema of recipes, or of run.json."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.plugin_option import PluginFiles, registry_with
from glueft.text import json_text, say

EPILOG = """\b
Examples:
  glueft schema > recipe.schema.json
  glueft schema --run
The first is for completion in editors that know TOML schemas; the recipe's first line is then:
  #:schema ./recipe.schema.json
"""


def schema(
    plugins: PluginFiles = None,
    run: Annotated[bool, typer.Option("--run", help="The schema of a run's run.json.")] = False,
) -> None:
    """Print the JSON schema of recipes.

    It holds the options of every installed plugin; editors complete and check recipes by it.
    """
    from glueft.cli.plugin_commands import warn_of_failures
    from glueft.recipe.schema import recipe_schema
    from glueft.runs.record import record_schema

    if run:
        printed = record_schema()
    else:
        warn_of_failures()
        printed = recipe_schema(registry_with(plugins))
    say(*json_text(printed, indent=2).split("\n"))
