"""`glueft schema`: the JSON schema of recipes."""

from __future__ import annotations

from glueft.cli.plugin_option import PluginFiles, registry_with
from glueft.text import say

EPILOG = """\b
Examples:
  glueft schema > recipe.schema.json
Then, as the first line of a recipe, for completion in editors that know TOML schemas:
  #:schema ./recipe.schema.json
"""


def schema(plugins: PluginFiles = None) -> None:
    """Print the JSON schema of recipes.

    It holds the options of every installed plugin; editors complete and check recipes by it.
    """
    from glueft.cli.plugin_commands import warn_of_failures
    from glueft.recipe.schema import recipe_schema, to_json

    warn_of_failures()
    say(*to_json(recipe_schema(registry_with(plugins))).split("\n"))
