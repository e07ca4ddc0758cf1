"""The JSON schema of recipes, with the installed plugins, for editors."""

from __future__ import annotations

from typing import Any

import pydantic

from glueft.metrics.choice import options_of
from glueft.plugin.options import Options
from glueft.plugin.registry import Registered, Registry
from glueft.recipe.sections import OPTIONAL_TABLES, PLUGIN_TABLES, SECTIONS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """Return the schema of a whole recipe.

    Each plugin table is `oneOf` the installed plugins of its kind: `plugin` says which, the rest are its options.
    """
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for kind in PLUGIN_TABLES:
        properties[kind] = plugin_table_schema(registry, kind, definitions)
    for name, section in SECTIONS.items():
        properties[name] = options_schema(section, name, definitions)
    callbacks = plugin_table_schema(registry, "callback", definitions)
    properties["callbacks"] = {
        "type": "array",
        "items": callbacks,
        "description": "Callbacks, in the order in which they are called.",
    }
    schema = {
        "$schema": DIALECT,
        "title": "glueft recipe",
        "description": "What glueft trains, on what, and how.",
        "type": "object",
        "properties": properties,
        "required": [*(name for name in PLUGIN_TABLES if name not in OPTIONAL_TABLES), "model"],
        "additionalProperties": False,
    }
    return schema | ({"$defs": definitions} if definitions else {})


def options_schema(options: type[Options], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one table as TOML knows it: there is no null.

    Args:
        options: the table's Options.
        prefix: of the names of nested tables in `definitions`, which must differ between plugins.
        definitions: gets the schemas of nested tables.
    """
    try:
        schema = options.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    except pydantic.PydanticUserError:
        # A type that pydantic has no JSON schema for: the keys are still known.
        properties = {name: {"description": field.description} for name, field in options.model_fields.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _without_null(definition)
    schema.pop("title", None)
    clean: dict[str, Any] = _without_null(schema)
    return clean


def plugin_table_schema(registry: Registry, kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a table that names a plugin of a kind; `definitions` as in `options_schema`."""
    tables = [_one_plugin(plugin, definitions) for plugin in registry.all(kind)]
    # An empty `oneOf` is no schema; without plugins of the kind no table is valid.
    return {"type": "object", "oneOf": tables} if tables else {"not": {}}


def _one_plugin(plugin: Registered, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = options_schema(options_of(plugin.cls), f"{plugin.kind}.{plugin.name}", definitions)
    name = {"const": plugin.name, "description": plugin.cls.description()}
    return {
        "title": plugin.name,
        "description": f"{plugin.cls.description()} ({plugin.origin})",
        "type": "object",
        "properties": {"plugin": name, **schema.get("properties", {})},
        "required": ["plugin", *schema.get("required", [])],
        "additionalProperties": False,
    }


def _without_null(schema: Any) -> Any:
    """Remove None from a schema, as a type and as a default, and the titles."""
    if isinstance(schema, list):
        return [_without_null(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    clean = {
        key: _without_null(value)
        for key, value in schema.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }
    ways = clean.get("anyOf")
    if isinstance(ways, list) and {"type": "null"} in ways:
        ways.remove({"type": "null"})
        if len(ways) == 1:
            del clean["anyOf"]
            clean = {**ways[0], **clean}
    return clean
