"""history.jsonl: what a line of it may hold, and how it is written and read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from glueft.errors import PluginError
from glueft.plugin_blame import at_work, named

# The kinds of lines that glueft writes itself, and whose keys its readers count on.
OWN_KINDS = ("step", "epoch")
NAME = "history.jsonl"


def line_of(kind: Any, values: Mapping[str, Any]) -> str:
    """Return one line of JSON, without the line feed: `kind` first, then the values.

    Numbers and arrays of NumPy, and tensors, become numbers and lists. JSON has no NaN and no infinity: they become
    null.

    Raises:
        PluginError: the kind is missing, or glueft's own and a plugin asks for it; or a value has no form in JSON. The
            message names the plugin at work.
    """
    if not isinstance(kind, str) or not kind.strip():
        given = "no kind" if kind == "" else f"the kind {_short(kind)}"
        names = ", ".join(f"{name}=..." for name in values) or "name=value"
        raise _refused(
            "a line for history.jsonl has no kind",
            expected='a text that says what the line is: run.log("samples", answers=[...])',
            received=given,
            mend=f'give the kind first: run.log("KIND", {names})',
        )
    if kind in OWN_KINDS and at_work() is not None:
        raise _refused(
            f'a line for history.jsonl has the kind "{kind}", which is glueft\'s own',
            expected=f"another kind than {' and '.join(OWN_KINDS)}, whose lines the report draws",
            received=f'run.log("{kind}", ...)',
            mend="give the line a kind of the plugin's own",
        )
    entry = {"kind": kind} | {name: _plain(value, name, ()) for name, value in values.items()}
    line = json.dumps(entry, ensure_ascii=False, allow_nan=False)
    # Half of a surrogate pair has no form in UTF-8; as an escape it has one.
    return line if _encodable(line) else json.dumps(entry)


def entry_of(line: str) -> dict[str, Any] | None:
    """Return what a line holds; None if it is no JSON object."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    """Return a value in JSON's own types.

    Args:
        value: whatever a plugin logs.
        where: its place in the line, for the message.
        above: the containers that it stands in, by identity.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if id(value) in above or len(above) > 100:
        raise _no_json(where, "a list or table that holds itself" if id(value) in above else "more than 100 levels")
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(each, f"{where}.{key}", inside) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{where}[{place}]", inside) for place, each in enumerate(value)]
    numbers = _numbers(value)
    if numbers is None:
        raise _no_json(where, f"a {type(value).__module__}.{type(value).__qualname__}")
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
    raise _no_json(where, f"a table with the key {_short(key)}, which is no text")


def _no_json(where: str, received: str) -> PluginError:
    return _refused(
        f'"{where}" of a line for history.jsonl has no form in JSON',
        expected="texts, numbers, true and false, None, and lists and tables of them; arrays of numbers serve too",
        received=received,
        mend="turn the value into one of these before it is logged",
    )


def _refused(message: str, *, expected: str, received: str, mend: str) -> PluginError:
    plugin = at_work()
    who = f"{named(plugin)}: " if plugin is not None else "run.log: "
    return PluginError(who + message, expected=expected, received=received, mend=mend)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
