"""The JSON schema of study files, with the installed plugins, for editors."""

from __future__ import annotations

from typing import Any

from glueft.plugin.registry import Registry
from glueft.recipe.schema import DIALECT, options_schema, plugin_table_schema
from glueft.recipe.sections import PLUGIN_TABLES, SECTIONS
from glueft.studies.definition.options import RangeOptions, StudyOptions


def study_schema(registry: Registry) -> dict[str, Any]:
    """Return the schema of a study file.

    Of the keys of recipes it describes those of the sections and the names of plugins; other keys, and the tables of
    single recipes, are left open.
    """
    definitions: dict[str, Any] = {}
    study = options_schema(StudyOptions, "study", definitions)
    one = _recipe_keys(registry, definitions)
    range_ = options_schema(RangeOptions, "range", definitions)
    keys = study["properties"]
    keys["set"] |= {"properties": one}
    keys["grid"] |= {
        "properties": {key: {"type": "array", "items": value, "minItems": 1} for key, value in one.items()}
    }
    keys["ranges"] |= {"properties": dict.fromkeys(one, range_)}
    keys["start_from"] |= {"additionalProperties": {"type": "string"}}
    keys["executor"] |= plugin_table_schema(registry, "executor", definitions)
    schema = {
        "$schema": DIALECT,
        "title": "glueft study",
        "description": "The runs of several recipes, settings and seeds, and how a setting is chosen.",
        "type": "object",
        "properties": {"study": study},
        "required": ["study"],
        "additionalProperties": False,
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _recipe_keys(registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of each key of recipes that is the same whatever the plugins, by its dotted name."""
    keys: dict[str, Any] = {}
    for kind in PLUGIN_TABLES:
        if kind != "task":  # a recipe keeps its task
            keys[f"{kind}.plugin"] = {"enum": registry.names(kind)}
    for name, section in SECTIONS.items():
        if name in ("model", "data", "distill", "training", "engine"):
            schema = options_schema(section, name, definitions)
            keys |= {f"{name}.{key}": value for key, value in schema["properties"].items()}
    return keys
