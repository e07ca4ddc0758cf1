"""Values of a recipe in messages: what was received, what an option expects, and values as TOML."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any

from glueft.recipe.problems import quoted_key
from glueft.text import quoted

Schema = Mapping[str, Any]


def received(value: object) -> str:
    """A received value: `"8" (text)`, `true (true or false)`, `a table`."""
    if isinstance(value, str):
        return f"{quoted(value)} (text)"
    if isinstance(value, bool):
        return f"{as_toml(value)} (true or false)"
    if isinstance(value, int):
        return f"{as_toml(value)} (a whole number)"
    if isinstance(value, float):
        return f"{as_toml(value)} (a number)"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "an empty list" if not value else f"a list of {len(value)}"
    if isinstance(value, datetime.datetime):
        return f"{value.isoformat()} (a date and time)"
    if isinstance(value, datetime.date):
        return f"{value.isoformat()} (a date)"
    if isinstance(value, datetime.time):
        return f"{value.isoformat()} (a time of day)"
    return type(value).__name__


def as_toml(value: object) -> str:
    """A text, number, list or table as TOML, shortened if it is long; for messages."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits.
        return (
            str(value)
            if abs(value) < 10**30
            else f"a number of {int((value.bit_length() - 1) * math.log10(2)) + 1} digits"
        )
    if isinstance(value, float):
        return re.sub(r"e([+-])0+(?=\d)", r"e\1", repr(value))  # 5e-5, as people write it
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_toml(element) for element in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted_key(key)} = {as_toml(element)}' for key, element in value.items())}}}"
    return str(value)


def expected(schema: Schema) -> str:
    """What a JSON schema accepts: `a whole number above 0`, `one of "a", "b"`."""
    if "anyOf" in schema:
        ways = [expected(way) for way in schema["anyOf"] if way.get("type") != "null"]
        # "true or false" has an "or" itself.
        return (", " if "true or false" in ways else " or ").join(ways)
    if "enum" in schema:
        return "one of " + ", ".join(as_toml(value) for value in schema["enum"])
    if "const" in schema:
        return as_toml(schema["const"])
    kind = schema.get("type")
    if kind == "integer":
        return "a whole number" + _range(schema, whole=True)
    if kind == "number":
        return "a number" + _range(schema, whole=False)
    if kind == "boolean":
        return "true or false"
    if kind == "string":
        return "text in quotes"
    if kind == "array":
        places, items = schema.get("prefixItems"), schema.get("items") or {}
        if places:
            kinds = [expected(place) for place in places]
            of = f"each {kinds[0]}" if len({*kinds}) == 1 else ", ".join(kinds)
            return f"a list of {len(places)}, {of}"
        return f"a list, each {expected(items)}" if items else "a list"
    if kind == "object" or "$ref" in schema:
        return "a table"
    return "a value that the plugin accepts"


def _range(schema: Schema, *, whole: bool) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    if whole and least == 1:
        least, above = None, 0
    parts = []
    if least is not None:
        parts.append(f"at least {_number(least)}")
    if above is not None:
        parts.append(f"above {_number(above)}")
    if most is not None:
        parts.append(f"at most {_number(most)}")
    if below is not None:
        parts.append(f"below {_number(below)}")
    return " " + " and ".join(parts) if parts else ""


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def choices(schema: Schema) -> list[str]:
    """The texts that a JSON schema lists."""
    if "anyOf" in schema:
        return [choice for way in schema["anyOf"] for choice in choices(way)]
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [value for value in values if isinstance(value, str)]


def rewritten(value: object) -> list[Any]:
    """Values that may have been meant by one of the wrong type: 8 for "8", "8" for 8, ["a"] for "a"."""
    meant: list[Any] = []
    if isinstance(value, str):
        plain = value.strip().lower()
        if plain in ("true", "yes", "on", "false", "no", "off"):
            meant.append(plain in ("true", "yes", "on"))
        for number in (int, float):
            try:
                meant.append(number(plain[:40]))
            except ValueError:
                continue
    elif isinstance(value, bool):
        pass
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        meant.append(int(value))
    elif isinstance(value, list) and len(value) == 1:
        meant.append(value[0])
    if isinstance(value, (int, float, datetime.date)) and not isinstance(value, bool):
        meant.append(as_toml(value))
    if not isinstance(value, (list, dict)):
        meant.append([value])
    return meant
