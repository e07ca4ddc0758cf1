"""Turns pydantic's errors about a table into problems in the user's terms, with a fix for each."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import pydantic

from glueft.recipe.options import Table
from glueft.recipe.problems import Problem, dotted, quoted_key
from glueft.recipe.schema import options_schema
from glueft.recipe.short_form import SHORT_OPTIONS
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import as_toml, choices, expected, received, rewritten
from glueft.suggest import nearest
from glueft.text import quoted

Schema = Mapping[str, Any]


class Explanation:
    """The problems of one table."""

    def __init__(self, table: Table) -> None:
        self.of = table
        self.problems: list[Problem] = []

    def explain(self, error: pydantic.ValidationError) -> list[Problem]:
        """Return one problem for each wrong value or key."""
        # pydantic reports a value of several possible types once for each; it is one problem.
        by_path: dict[Path, list[Any]] = {}
        defaults: dict[Path, Any] = {}
        for finding in error.errors(include_url=False):
            left_out = self._left_out(finding)
            if left_out is None:
                by_path.setdefault(self._at(finding), []).append(finding)
            else:
                defaults.setdefault(left_out, finding)
        for at, finding in defaults.items():
            self._wrong_default(at, finding)
        for at, findings in by_path.items():
            # Of a table that may also be another type, what is wrong is inside it.
            if at and any(other[: len(at)] == at for other in by_path if other != at):
                continue
            kind = findings[0]["type"]
            if kind == "extra_forbidden":
                self._unknown_key(at)
            elif kind == "missing" and self._is_key(at):
                self._missing(at)
            elif kind in ("value_error", "assertion_error"):
                self._own_words(at, str(findings[0]["ctx"]["error"]), findings[0]["input"])
            elif not at:
                self._own_words(at, findings[0]["msg"], findings[0]["input"])
            else:
                self._wrong_value(at, findings)
        return self.problems

    def _at(self, finding: Any) -> Path:
        """The finding's path in the table, without the names of types that pydantic adds."""
        value: Any = self.of.values
        path: Path = ()
        for part in finding["loc"]:
            inside = (isinstance(value, dict) and part in value) or (
                isinstance(value, list) and isinstance(part, int) and part < len(value)
            )
            if inside:
                value = value[part]
            elif not (finding["type"] == "missing" and part == finding["loc"][-1] and isinstance(value, dict)):
                continue
            path = (*path, part)
        return path

    def _left_out(self, finding: Any) -> Path | None:
        """The path of an option that the recipe lacks and whose default is invalid; None for other findings."""
        value: Any = self.of.values
        for place, part in enumerate(finding["loc"]):
            if not isinstance(value, dict):
                return None
            if part not in value:
                known = part in self._schema(finding["loc"][:place]).get("properties", {})
                lacking = finding["type"] == "missing" and place == len(finding["loc"]) - 1
                return finding["loc"][: place + 1] if known and not lacking else None
            value = value[part]
        return None

    def _wrong_default(self, at: Path, finding: Any) -> None:
        brought = f", and tell the authors of {self.of.plugin.origin}" if self.of.plugin else ""
        wrong = finding["msg"][:1].lower() + finding["msg"][1:]
        default = "None" if finding["input"] is None else received(finding["input"])
        self._add(
            at,
            f"the default of this option, {default}, is not a value that it may have: {wrong}",
            expected(self._schema(at)),
            default,
            f"give {dotted((*self.of.path, *at))} a value{brought}",
        )

    def _is_key(self, at: Path) -> bool:
        """Whether a path ends in a missing key of a table, not of a list."""
        return isinstance(self._value(at[:-1]), dict) and at[-1] not in self._value(at[:-1])

    def _unknown_key(self, at: Path) -> None:
        key = str(at[-1])
        accepted = list(self._schema(at[:-1]).get("properties", {}))
        # A key that the recipe has already is hardly meant again, unless by something that changes the recipe.
        changing = self.of.locations.is_changed((*self.of.path, *at))
        free = [name for name in accepted if changing or name not in self._value(at[:-1])]
        meant = nearest(key, free, favoured={*self._schema(at[:-1]).get("required", [])} & {*free})
        shown = f'"{meant}"' if meant else None
        suggestion = dotted((*self.of.path, *at[:-1], meant)) if meant else None
        # The key may be right and only in the wrong table.
        elsewhere = [home for home in self.of.homes.get(key, []) if home != self.of.path[0]]
        if not meant and not elsewhere and (other := nearest(key, self.of.homes, 0.65, self.of.required)):
            elsewhere, key = [home for home in self.of.homes[other] if home != self.of.path[0]], other
        if elsewhere:
            shown = suggestion = f"{elsewhere[0]}.{key}"
        fix = self._switched(at)
        if len(at) == 1 and self.of.owner[0] != "[":
            accepted = ["plugin", *accepted]
        listing = f"Accepted: {', '.join(map(quoted_key, accepted))}" if accepted else "It accepts no keys"
        self._add(
            at,
            f"unknown key for {self.of.owner}",
            f"one of {', '.join(map(quoted_key, accepted))}",
            quoted(str(at[-1])),
            fix or (f"did you mean {shown}?  " if shown else "") + listing,
            suggestion,
        )

    def _switched(self, at: Path) -> str | None:
        """The fix for a key of the file's plugin if the command line has chosen another plugin."""
        chosen = self.of.locations.argument((*self.of.path, "plugin"))
        if not chosen or self.of.locations.argument((*self.of.path, *at)) or len(at) > 1:
            return None
        name = self.of.owner.split(" ", 1)[1]
        kept = [(key, value) for key, value in self.of.values.items() if key in self.of.model.model_fields]
        table = ", ".join(f"{key}={as_toml(value)}" for key, value in [("plugin", json.loads(name)), *kept])
        return (
            f"the recipe is written for another {self.of.owner.split()[0]}; give the whole table: "
            f"--set {shlex.quote(f'{dotted(self.of.path)}={{{table}}}')}"
        )

    def _missing(self, at: Path) -> None:
        schema = self._schema(at)
        examples = schema.get("examples") or []
        key = quoted_key(str(at[-1]))
        added = f"add {key} = {as_toml(examples[0])}" if examples else f"add {key} = ..."
        table = f"[{dotted((*self.of.path, *at[:-1]))}]"
        owner = self.of.owner if len(at) == 1 else table
        self._add(
            at, f"missing; {owner} needs {expected(schema)}", expected(schema), "nothing", f"{added} below {table}"
        )

    def _own_words(self, at: Path, words: str, value: object) -> None:
        """Add the message of a validator that the Options define."""
        if at:
            self._add(at, f"{words}; received {received(value)}", words, received(value), self._description(at))
            return
        fix = "; ".join(self._places(words)) or f"change {dotted(self.of.path)}"
        self._add(at, words, words, "a table that breaks this rule", fix)

    def _places(self, words: str) -> list[str]:
        """The places of the keys that a message names; none if one argument gave the whole table."""
        places = []
        for key in [] if self.of.locations.argument(self.of.path) else self.of.values:
            if re.search(rf"\b{re.escape(key)}\b", words):
                path = (*self.of.path, key)
                argument = self.of.locations.argument(path)
                place = f"by {argument}" if argument else f"in line {self.of.locations.line(path)}"
                places.append(f"{key} is given {place}")
        return places

    def _wrong_value(self, at: Path, findings: list[Any]) -> None:
        value = self._value(at)
        schema = self._schema(at)
        if self.of.plugin is not None and _means_another_type(schema, value, [finding["type"] for finding in findings]):
            brought = self.of.plugin
            self._add(
                at,
                "no recipe can set this option: TOML has no value of its type",
                findings[0]["msg"][:1].lower() + findings[0]["msg"][1:],
                received(value),
                f"leave {dotted(at)} out, and tell the authors of {brought.origin}: "
                f"`glueft plugin check {brought.name}` says which type to take",
            )
            return
        wanted = expected(schema) if schema else findings[0]["msg"][:1].lower() + findings[0]["msg"][1:]
        fix, suggestion = self._fix(at, schema, value)
        self._add(at, f"expected {wanted}; received {received(value)}", wanted, received(value), fix, suggestion)

    def _fix(self, at: Path, schema: Schema, value: object) -> tuple[str, str | None]:
        names = choices(schema)
        if isinstance(value, str) and (meant := nearest(value, names)):
            return f'did you mean "{meant}"?', meant
        for meant in rewritten(value):
            if self._fits(at, meant):
                done = "write"
                if isinstance(value, str) and not isinstance(meant, (str, list)):
                    done = "remove the quotes:"
                elif isinstance(meant, str):
                    done = "put it in quotes:"
                elif isinstance(meant, list):
                    done = "put it in brackets:"
                return f"{done} {self._assigned(at, meant)}", None
        for example in [*(schema.get("examples") or []), schema.get("default")]:
            if example is not None:
                return f"for example: {self._assigned(at, example)}", None
        key = at[: max(place for place, part in enumerate(at, 1) if isinstance(part, str))]
        needed = key[-1] in self._schema(key[:-1]).get("required", [])
        return f"give {expected(schema)}" + ("" if needed else f", or leave {dotted(key)} out"), None

    def _assigned(self, at: Path, value: object) -> str:
        """`batch_size = 8`, or the whole argument where it comes from one."""
        argument = self.of.locations.argument((*self.of.path, *at)) or ""
        given_at = self.of.locations.given_at((*self.of.path, *at))
        if argument.startswith("--set"):
            return f"--set {shlex.quote(f'{dotted(given_at)}={as_toml(value)}')}"
        option = argument.partition(" ")[0]
        if option in SHORT_OPTIONS.values():
            return f"{option} {shlex.quote(value if isinstance(value, str) else as_toml(value))}"
        if isinstance(given_at[-1], int):
            return as_toml(value)
        return f"{quoted_key(str(at[-1]))} = {as_toml(value)}"

    def _fits(self, at: Path, value: object) -> bool:
        """Whether another value at this path would be valid."""
        try:
            self.of.model.model_validate(_changed(self.of.values, at, value))
        except pydantic.ValidationError as error:
            return not any(self._at(finding)[: len(at)] == at for finding in error.errors(include_url=False))
        except Exception:
            return False
        return True

    def _value(self, at: Path) -> Any:
        value: Any = self.of.values
        for part in at:
            value = value[part]
        return value

    def _description(self, at: Path) -> str:
        return str(self._schema(at).get("description", "")) if at else ""

    @functools.cached_property
    def _table_schema(self) -> Schema:
        """The JSON schema of the table; for each one anew, because it names the metrics that there are now."""
        definitions: dict[str, Any] = {}
        return options_schema(self.of.model, "table", definitions) | {"$defs": definitions}

    def _schema(self, at: Path) -> Schema:
        """The JSON schema at a path; empty if it has none."""
        root = self._table_schema
        schema: Schema = root
        for part in at:
            schema = _resolved(root, schema)
            wanted = "array" if isinstance(part, int) else "object"
            # Of several types, the one that can have such a part.
            ways = [_resolved(root, way) for way in schema.get("anyOf", ())]
            schema = next((way for way in ways if way.get("type") == wanted), schema)
            if isinstance(part, int):
                places = schema.get("prefixItems", [])
                inner = places[part] if part < len(places) else schema.get("items")
            else:
                # A table with free keys has one schema for all of them.
                inner = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
            schema = inner if isinstance(inner, dict) else {}
        return _resolved(root, schema)

    def _add(self, at: Path, message: str, wanted: str, got: str, fix: str, suggestion: str | None = None) -> None:
        self.problems.append(
            self.of.locations.problem(
                (*self.of.path, *at), message, expected=wanted, received=got, fix=fix, suggestion=suggestion
            )
        )


def _means_another_type(schema: Schema, value: object, found: list[str]) -> bool:
    """Whether a value fits the schema but not the option's type in Python, such as Path or Decimal."""
    kinds = {way.get("type") for way in schema.get("anyOf", [schema])}
    own = {str: {"string"}, bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}}.get(type(value), set())
    return bool(kinds & own) and all(kind.endswith("_type") or kind.startswith("is_") for kind in found)


def _resolved(root: Schema, schema: Schema) -> Schema:
    """Follow a reference to a nested table."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return {**root.get("$defs", {}).get(name, {}), **{key: schema[key] for key in schema if key != "$ref"}}
    return schema


def _changed(value: Any, at: Path, new: object) -> Any:
    if not at:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = _changed(value[at[0]], at[1:], new)
    return copy
