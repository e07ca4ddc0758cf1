"""The tables of a recipe, or any others, as one table with dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(table: Mapping[str, Any], prefix: str = "", *, lists: bool = True) -> dict[str, Any]:
    """Return a table with dotted keys.

    Args:
        table: of a recipe, or any other.
        prefix: of each key.
        lists: number the tables of a list from 0, `callbacks.0.plugin`; else every list is one value.
    """
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.", lists=lists)
        elif lists and isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            flat |= flatten({str(number): item for number, item in enumerate(value)}, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
