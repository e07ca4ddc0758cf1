"""A recipe as names and values, for trackers that know no tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables and lists under dotted names; a list of plain values stays in one piece, as a text."""
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, list) and any(isinstance(element, dict) for element in value):
            value = {str(index): element for index, element in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": inner for name, inner in flatten(value).items()}
        else:
            flat[key] = value if isinstance(value, (bool, int, float)) else str(value)
    return flat
