"""history.jsonl: what a line of it may hold, and how it is written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.attribution import at_work, named
from glueft.plugin.json_values import json_values

# The kinds of lines that glueft writes itself, and whose keys its readers count on.
OWN_KINDS = ("step", "epoch")
NAME = "history.jsonl"


def line_of(kind: Any, values: Mapping[str, Any]) -> str:
    """Return one line of JSON, without the line feed: `kind` first, then the values.

    Raises:
        PluginError: the kind is missing, or glueft's own and a plugin asks for it; or a value has no form in JSON: see
            `json_values`. The message names the plugin at work.
    """
    if not isinstance(kind, str) or not kind.strip():
        given = "no kind" if kind == "" else f"the kind {_short(kind)}"
        names = ", ".join(f"{name}=..." for name in values) or "name=value"
        raise _refused(
            "a line for history.jsonl has no kind",
            expected='a text that says what the line is: run.log("samples", answers=[...])',
            received=given,
            fix=f'give the kind first: run.log("KIND", {names})',
        )
    if kind in OWN_KINDS and at_work() is not None:
        raise _refused(
            f'a line for history.jsonl has the kind "{kind}", which is glueft\'s own',
            expected=f"another kind than {' and '.join(OWN_KINDS)}, whose lines the report draws",
            received=f'run.log("{kind}", ...)',
            fix="give the line a kind of the plugin's own",
        )
    entry = {"kind": kind} | json_values(values, "a line for history.jsonl")
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


def _refused(message: str, *, expected: str, received: str, fix: str) -> PluginError:
    plugin = at_work()
    who = f"{named(plugin)}: " if plugin is not None else "run.log: "
    return PluginError(who + message, expected=expected, received=received, fix=fix)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
