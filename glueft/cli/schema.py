"""`glueft schema`: the JSON schema of recipes, of studies, of run.json, or of receipts."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.installed import registry_with, warn_of_failures
from glueft.cli.options import PluginFiles
from glueft.text import json_text, say

EPILOG = """\b
Examples:
  glueft schema > recipe.schema.json
  glueft schema --study > study.schema.json
  glueft schema --run
  glueft schema --receipt
For completion in an editor that knows TOML schemas, the recipe's first line is then:
  #:schema ./recipe.schema.json
"""


def schema(
    plugins: PluginFiles = None,
    study: Annotated[bool, typer.Option("--study", help="Print the schema of study files instead.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Print the schema of a run's run.json instead.")] = False,
    receipt: Annotated[bool, typer.Option("--receipt", help="Print the schema of a run's receipt instead.")] = False,
) -> None:
    """Print the JSON schema of recipes, of studies, of run.json, or of receipts.

    Those of recipes and studies hold the options of every installed plugin; editors complete and check files by them.
    """
    from glueft.recipe.schema import recipe_schema
    from glueft.reproduce.receipt import receipt_schema
    from glueft.runs.record import record_schema
    from glueft.studies.definition.schema import study_schema

    if run + receipt + study > 1:
        raise typer.BadParameter("one schema at a time: --study, --run or --receipt")
    if run:
        printed = record_schema()
    elif receipt:
        printed = receipt_schema()
    else:
        warn_of_failures()
        registry = registry_with(plugins)
        printed = study_schema(registry) if study else recipe_schema(registry)
    say(*json_text(printed, indent=2).split("\n"))
