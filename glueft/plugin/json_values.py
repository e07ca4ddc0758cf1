"""What plugins hand over to be written down, in JSON's own types."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.attribution import at_work, named


class _NoFormError(Exception):
    """A value has no form in JSON.

    Args:
        where: its place.
        received: what it is.
    """

    def __init__(self, where: str, received: str) -> None:
        super().__init__(where, received)
        self.where, self.received = where, received


def json_values(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return values by name as JSON has them.

    Numbers and arrays of NumPy, and tensors, become numbers and lists, and paths become text. JSON has no NaN and no
    infinity: they become null.

    Args:
        values: whatever a plugin hands over.
        what: what they are, for the message: `a line for history.jsonl`.

    Raises:
        PluginError: a value has no form in JSON. The message names the plugin at work.
    """
    try:
        return {_key(name, what): _plain(value, str(name), ()) for name, value in values.items()}
    except _NoFormError as found:
        plugin = at_work()
        who = f"{named(plugin)}: " if plugin is not None else ""
        raise PluginError(
            f'{who}"{found.where}" of {what} has no form in JSON',
            expected="texts, numbers, true and false, None, and lists and tables of them; paths and arrays serve too",
            received=found.received,
            fix="turn the value into one of these",
        ) from None


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    """Return a value in JSON's own types.

    Args:
        value: any.
        where: its place, for the message.
        above: the containers that it stands in, by identity.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if id(value) in above or len(above) > 100:
        raise _NoFormError(where, "a list or table that holds itself" if id(value) in above else "more than 100 levels")
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(each, f"{where}.{key}", inside) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{where}[{place}]", inside) for place, each in enumerate(value)]
    numbers = _numbers(value)
    if numbers is None:
        raise _NoFormError(where, f"a {type(value).__module__}.{type(value).__qualname__}")
    return _plain(numbers.tolist(), where, inside)


def _numbers(value: Any) -> Any:
    """Return NumPy's form of its own scalars and arrays, and of a backend's tensors; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (hasattr(value, "__array__") or isinstance(value, numpy.generic)):
        return None
    try:
        if hasattr(value, "detach"):  # PyTorch refuses while gradients are kept, or on a GPU
            value = value.detach().cpu()
        array = numpy.asarray(value)
    except Exception:  # a tensor that has no value yet, or whatever else a library has in its `__array__`
        return None
    if array.dtype.kind in "biufU":
        return array
    # bfloat16, which is no kind of NumPy's own.
    return array.astype(numpy.float32) if array.dtype.name == "bfloat16" else None


def _key(key: Any, where: str) -> str:
    numpy = sys.modules.get("numpy")
    if isinstance(key, str):
        return key
    whole = isinstance(key, int) and not isinstance(key, bool)
    if whole or (numpy is not None and isinstance(key, numpy.integer)):
        return str(int(key))
    text = repr(key)
    raise _NoFormError(
        where, f"a table with the key {text if len(text) <= 60 else f'{text[:57]}...'}, which is no text"
    )
