"""Finds options that no recipe can set, because TOML has no value of their type."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from glueft.plugin.options import Options, plain_values, unwritable

# TOML's values, by the name of their type in JSON schema; some texts of JSON have a type of their own in TOML.
_SAMPLES: dict[str, Any] = {"boolean": True, "integer": 1, "number": 0.5, "string": "text"}
_DATES = {
    "date": datetime.date(2026, 1, 31),
    "date-time": datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC),
    "time": datetime.time(12, 0),
}
_OTHERS = {"email": "name@example.org", "uri": "https://example.org/", "uuid": "00000000-0000-0000-0000-000000000000"}
# Keys by which a JSON schema describes its values.
_SAYS = {"$ref", "anyOf", "const", "enum", "oneOf", "type"}
_ANY = (*_SAMPLES.values(), *_DATES.values(), [], {})

_PATH = "use glueft.LocalPath, the text of a path relative to the recipe"
_INSTEAD = {
    "path": _PATH,
    "file-path": _PATH,
    "directory-path": _PATH,
    "binary": "use str",
    "duration": "use float, a number of seconds",
    "regex": "use str",
    "uri": "use str",
    "uuid": "use str",
}
_USUAL = (
    "use a type that TOML has: str, bool, int, float, Literal, Enum, a date or time, glueft.Options, or a tuple, "
    "frozenset or dict[str, ...] of these"
)


def unsettable(options: type[Options]) -> str | None:
    """Return, in one sentence without a full stop, which option no recipe can set; None if all can be set.

    Each option is tried with the values that its JSON schema describes, in TOML's types. An error of the author's own
    validation counts as set: the schema does not describe it.
    """
    root = options.model_json_schema(schema_generator=_Schema)
    properties = _resolved(root, root).get("properties", {})
    for name, field in options.model_fields.items():
        key = field.alias or name
        schema = properties.get(key, {})
        where = f"no recipe can set its option `{name}`"
        loose = next(_loose_tables(root, schema), None)
        if loose:
            return f"{where} strictly: {loose} ignores unknown keys; derive it from glueft.Options"
        nullable = {"type": "null"} in schema.get("anyOf", ())
        if nullable and (field.is_required() or field.get_default(call_default_factory=False) is not None):
            return f"{where} to None, which TOML does not have: make None its default, or use another value for it"
        samples = list(_samples(root, schema))
        refused = [instead for value, instead in samples if _refused(options, key, value)]
        # Without a description one accepted value is enough; else each kind of value must be accepted.
        if len(refused) == len(samples) or (refused and len(schema.keys() & _SAYS)):
            called = field.annotation.__name__ if type(field.annotation) is type else str(field.annotation)
            return f"{where}, which is {called}: {refused[0] if refused else _USUAL}"
    return None


class _Schema(GenerateJsonSchema):
    """JSON schema with {} for types that JSON does not have."""

    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}


def _resolved(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return schema if reference is None else root["$defs"][reference.rpartition("/")[2]]


def _samples(root: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[Any, str]]:
    """Yield values of every kind that a schema describes, and what to use instead if one is refused."""
    schema = _resolved(root, schema)
    kind, form = schema.get("type"), schema.get("format", "")
    if depth > 6 and kind in ("array", "object"):  # A recursive type.
        yield ([] if kind == "array" else {}), _USUAL
    elif ways := schema.get("anyOf") or schema.get("oneOf"):
        for way in ways:
            yield from _samples(root, way, depth + 1)
    elif "const" in schema or "enum" in schema:
        yield from ((value, _USUAL) for value in schema.get("enum", [schema.get("const")]))
    elif kind == "array":
        places = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
        yield from ((list(values), instead) for values, instead in _one_of_each(root, places, depth))
    elif kind == "object" and "properties" in schema:
        names = list(schema["properties"])
        for values, instead in _one_of_each(root, list(schema["properties"].values()), depth):
            yield dict(zip(names, values, strict=True)), instead
    elif kind == "object":
        inner = schema.get("additionalProperties")
        for value, instead in _samples(root, inner if isinstance(inner, dict) else {}, depth + 1):
            yield {"key": value}, instead
    elif kind in _SAMPLES:
        yield _DATES.get(form, _OTHERS.get(form, _SAMPLES[kind])), _INSTEAD.get(form, _USUAL)
    else:
        yield from ((value, _USUAL) for value in (_ANY if kind != "null" else ()))


def _one_of_each(
    root: Mapping[str, Any], schemas: list[Mapping[str, Any]], depth: int
) -> Iterator[tuple[list[Any], str]]:
    """Yield values for several places, until each place has had a value of each of its kinds."""
    kinds = [list(_samples(root, schema, depth + 1)) for schema in schemas]
    if all(kinds):
        for at in range(max(map(len, kinds), default=0)):
            chosen = [place[min(at, len(place) - 1)] for place in kinds]
            instead = next((instead for _, instead in chosen if instead != _USUAL), _USUAL)
            yield [value for value, _ in chosen], instead


def _refused(options: type[Options], key: str, value: Any) -> bool:
    """Whether an option does not accept a value's type, or makes of it a value that TOML cannot write."""
    try:
        made = options.model_validate({key: value})
    except pydantic.ValidationError as error:
        # Other errors are about this one value, or about other options.
        findings = [finding for finding in error.errors(include_url=False) if finding["loc"][:1] == (key,)]
        return any(finding["type"].endswith("_type") or finding["type"].startswith("is_") for finding in findings)
    except Exception:
        return False  # The author's own validation raised; another check of the suite covers that.
    return unwritable(plain_values(made.model_dump(exclude_none=True))) is not None


def _loose_tables(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables in a schema that ignore unknown keys."""
    seen: set[int] = set()
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict) or id(part := _resolved(root, part)) in seen:
            continue
        seen.add(id(part))
        if "properties" in part and part.get("additionalProperties", True) is not False:
            yield str(part.get("title", "a table"))
        waiting += [value for key, value in part.items() if key not in ("default", "examples")]
