"""`glueft schema`: the JSON schema of recipes, or of run.json."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.installed import registry_with, warn_of_failures
from glueft.cli.options import PluginFiles
from glueft.text import json_text, say

EPILOG = """\b
Examples:
  glueft schema > recipe.schema.json
  glueft schema --run
For completion in an editor that knows TOML schemas, the recipe's first line is then:
  #:schema ./recipe.schema.json
"""


def schema(
    plugins: PluginFiles = None,
    run: Annotated[bool, typer.Option("--run", help="Print the schema of a run's run.json instead.")] = False,
) -> None:
    """Print the JSON schema of recipes, or of run.json.

    The schema of recipes holds the options of every installed plugin; editors complete and check recipes by it.
    """
    from glueft.recipe.schema import recipe_schema
    from glueft.runs.record import record_schema

    if run:
        printed = record_schema()
    else:
        warn_of_failures()
        printed = recipe_schema(registry_with(plugins))
    say(*json_text(printed, indent=2).split("\n"))
