"""From what TOML can say to the types that options have, and back: TOML has lists, but no tuples, sets or enums."""

from __future__ import annotations

import datetime
from collections import deque
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

# A recipe's list serves for these, and a member's value for the member.
_FROM_TOML = ("enum", "frozenset", "set", "tuple")

# Keys of pydantic's core schemas that hold no schema of a value that is read.
_NO_SCHEMA = {"cls", "default", "expected", "function", "members", "metadata", "serialization"}


def take_lists(schema: CoreSchema, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
    """Let a list serve for a tuple or set, and a value for the member of an Enum; all else stays as strict as it was.

    Args:
        schema: of an Options; it is changed in place.
        handler: the one that made it.
    """
    waiting: list[Any] = [schema]
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict):
            continue
        if part.get("type") in _FROM_TOML and "strict" not in part:
            part["strict"] = False
            if part["type"] == "enum":
                _hold_to_members(part)
                continue
        reference = part.get("schema_ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            try:
                waiting.append(handler.resolve_ref_schema(part))
            except LookupError:
                continue  # The Options themselves, which are under way.
        waiting += [value for key, value in part.items() if key not in _NO_SCHEMA]
    return schema


def _hold_to_members(part: Any) -> None:
    """Let an Enum take no `true` for 1 and no "1": pydantic's lax way with it would."""
    members = part["members"]

    def check(value: Any) -> Any:
        kinds = {type(member.value) for member in members} | {int for member in members if type(member.value) is float}
        if isinstance(value, Enum) or type(value) in kinds:
            return value
        raise PydanticCustomError("enum", "Input should be the value of a member")

    inner = {key: value for key, value in part.items() if key not in ("ref", "sub_type")}
    reference = {"ref": part["ref"]} if "ref" in part else {}
    part.clear()
    part |= core_schema.no_info_before_validator_function(check, inner) | reference


def plain_values(value: Any) -> Any:
    """Values as TOML has them: lists for tuples and sets, a member of an Enum by its value, a path as text."""
    if isinstance(value, dict):
        return {plain_values(key): plain_values(element) for key, element in value.items()}
    if isinstance(value, (list, tuple, deque)):
        return [plain_values(element) for element in value]
    if isinstance(value, (set, frozenset)):
        # Of text, numbers or both; a set has no order, and a recipe that is written twice is the same twice.
        return sorted(map(plain_values, value), key=lambda element: (str(type(element)), element))
    if isinstance(value, PurePath):
        return str(value)
    return plain_values(value.value) if isinstance(value, Enum) else value


def unwritable(value: Any) -> str | None:
    """The type of what TOML cannot write in a plain value, `Decimal`; None if there is nothing."""
    if isinstance(value, dict):
        keys = [type(key).__name__ for key in value if not isinstance(key, str)]
        return next(iter(keys), None) or unwritable([*value.values()])
    if isinstance(value, list):
        return next(filter(None, map(unwritable, value)), None)
    return None if isinstance(value, (str, bool, int, float, datetime.date, datetime.time)) else type(value).__name__
