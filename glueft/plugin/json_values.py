"""Values that plugins pass in to be written down, in JSON's own types."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.attribution import who
from glueft.text import short_repr

MOST_LEVELS = 100


class _NoFormError(Exception):
    """A value has no form in JSON; the arguments are its place and what it is."""


def json_values(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return values by name as JSON has them.

    NumPy numbers and arrays, and tensors, become numbers and lists; paths become text; NaN and infinity become null.

    Args:
        values: from a plugin.
        what: what they are, for the message: `a line for history.jsonl`.

    Raises:
        PluginError: a value has no form in JSON. The message names the plugin at work.
    """
    try:
        return {_key(name, what): _plain(value, str(name), ()) for name, value in values.items()}
    except _NoFormError as found:
        where, received = found.args
        raise PluginError(
            f'{who()}"{where}" of {what} has no form in JSON',
            expected="texts, numbers, true and false, None, lists and tables of them, paths and arrays",
            received=received,
            fix="convert the value to one of these",
        ) from None


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    """Return a value in JSON's own types.

    Args:
        value: any.
        where: its place, for the message.
        above: the ids of the containers around it.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if id(value) in above:
        raise _NoFormError(where, "a list or table that holds itself")
    if len(above) > MOST_LEVELS:
        raise _NoFormError(where, f"more than {MOST_LEVELS} levels")
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
    """Return a scalar or array of NumPy, or a backend's tensor, as a NumPy array; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (hasattr(value, "__array__") or isinstance(value, numpy.generic)):
        return None
    try:
        if hasattr(value, "detach"):  # PyTorch refuses while gradients are kept, or on a GPU
            value = value.detach().cpu()
        array = numpy.asarray(value)
    except Exception:  # a symbolic tensor, or any error in a library's `__array__`
        return None
    if array.dtype.kind in "biufU":
        return array
    # bfloat16 is no kind of NumPy's own.
    return array.astype(numpy.float32) if array.dtype.name == "bfloat16" else None


def _key(key: Any, where: str) -> str:
    numpy = sys.modules.get("numpy")
    if isinstance(key, str):
        return key
    if (isinstance(key, int) and not isinstance(key, bool)) or (numpy and isinstance(key, numpy.integer)):
        return str(int(key))
    raise _NoFormError(where, f"a table with the key {short_repr(key)}, which is no text")
