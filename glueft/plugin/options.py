"""The options of plugins: strict pydantic models whose values come from TOML.

TOML has lists, but no tuples, sets or enums: a list and a plain value are accepted for them, and are written back.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError, core_schema

from glueft.errors import GlueftError
from glueft.files import expanded
from glueft.text import short_repr

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

# Types for which a list, or the value of a member, is accepted.
_FROM_TOML = ("enum", "frozenset", "set", "tuple")

# Keys of pydantic's core schemas that hold no schema of a value.
_NO_SCHEMA = {"cls", "default", "expected", "function", "members", "metadata", "serialization"}


class Options(pydantic.BaseModel):
    """The keys that a recipe may set in a plugin's table. Unknown keys are refused; every field has a description."""

    # Strict: "8" is a text and 8 a number, as in TOML. A whole number is accepted for a float.
    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        return _accept_toml(handler(source), handler)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change a key, in words of recipes."""
        if name in type(self).model_fields:
            raise GlueftError(
                f"{name}: what was read of a recipe is not changed any more, since it is checked as a whole",
                expected="changes where the recipe is read or run",
                received=f"{name} = {short_repr(value)}",
                fix='give them there: glueft.run(recipe, {"training.epochs": 3})',
            )
        super().__setattr__(name, value)


def changed_options(options: Any) -> list[str]:
    """Return `key=value` of each option that is not at its default; nothing of what is no Options."""
    if not isinstance(options, Options):
        return []
    default = {name: field.get_default(call_default_factory=True) for name, field in type(options).model_fields.items()}
    return [f"{name}={short_repr(value)}" for name, value in options if value != default[name]]


def _accept_toml(schema: CoreSchema, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
    """Accept a list for a tuple or set, and a value for the member of an Enum; all else stays strict.

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
                _restrict_to_members(part)
                continue
        reference = part.get("schema_ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            try:
                waiting.append(handler.resolve_ref_schema(part))
            except LookupError:
                continue  # The Options themselves, whose schema is being made.
        waiting += [value for key, value in part.items() if key not in _NO_SCHEMA]
    return schema


def _restrict_to_members(part: Any) -> None:
    """Let an Enum accept neither `true` for 1 nor "1" for 1, as pydantic does where it is not strict."""
    members = part["members"]

    def check(value: Any) -> Any:
        types = {type(member.value) for member in members} | {int for member in members if type(member.value) is float}
        if isinstance(value, Enum) or type(value) in types:
            return value
        raise PydanticCustomError("enum", "Input should be the value of a member")

    inner = {key: value for key, value in part.items() if key not in ("ref", "sub_type")}
    reference = {"ref": part["ref"]} if "ref" in part else {}
    part.clear()
    part |= core_schema.no_info_before_validator_function(check, inner) | reference


def plain_values(value: Any) -> Any:
    """Values as TOML has them: a list for a tuple or set, a member of an Enum by its value, a path as text."""
    if isinstance(value, dict):
        return {plain_values(key): plain_values(element) for key, element in value.items()}
    if isinstance(value, (list, tuple, deque)):
        return [plain_values(element) for element in value]
    if isinstance(value, (set, frozenset)):
        # Sorted, also where texts and numbers are mixed: the same options are always written alike.
        return sorted(map(plain_values, value), key=lambda element: (str(type(element)), element))
    if isinstance(value, PurePath):
        return str(value)
    return plain_values(value.value) if isinstance(value, Enum) else value


def unwritable(value: Any) -> str | None:
    """The name of the first type in a plain value that TOML cannot write, such as "Decimal"; None if there is none."""
    if isinstance(value, dict):
        keys = [type(key).__name__ for key in value if not isinstance(key, str)]
        return next(iter(keys), None) or unwritable([*value.values()])
    if isinstance(value, list):
        return next(filter(None, map(unwritable, value)), None)
    return None if isinstance(value, (str, bool, int, float, datetime.date, datetime.time)) else type(value).__name__


def _local_path(text: str, info: pydantic.ValidationInfo) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("must not hold control characters, such as a line break")
    # The validation's context; options made in Python have none, and their paths stay as they are.
    folder_of: Callable[[str], Path] | None = info.context
    return text if folder_of is None or info.field_name is None else absolute(text, folder_of(info.field_name))


def absolute(path: str, folder: Path) -> str:
    """A path relative to `folder`, or to the home folder after `~`, as an absolute one."""
    # Not `resolve`: a link stays the link that the user named.
    return str((folder / expanded(path)).absolute())


LocalPath = Annotated[str, pydantic.AfterValidator(_local_path)]
"""The type of an option that names a file or folder, which need not exist.

A relative path starts at the folder of the recipe, or at the working folder where it comes from the command line. In
checked options it is absolute.
"""
