"""Shows each call of a plugin's hook on standard error, where the user asks for it with GLUEFT_TRACE_PLUGINS=1."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from glueft.text import say

VARIABLE = "GLUEFT_TRACE_PLUGINS"
LONGEST = 60


def trace_if_asked(manager: pluggy.PluginManager) -> None:
    """Have pluggy tell of every hook call, unless GLUEFT_TRACE_PLUGINS is unset, empty or 0.

    Two lines a call, one before it and one after, so that a call that hangs can be seen as well:

        trace: glueft:glueft_callbacks glueft_run_finished(run=Run(mrpc-20261122-191345-fef252)) ...
        trace: glueft:glueft_callbacks glueft_run_finished(run=Run(mrpc-20261122-191345-fef252)) -> nothing, 0.0012 s
    """
    if os.environ.get(VARIABLE, "0") in ("", "0"):
        return
    begun = threading.local()  # plugins are asked what they offer in threads of their own

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
        _tell(f"{_call(hook, implementations, arguments)} ...")
        begun.at = [*getattr(begun, "at", []), time.perf_counter()]

    def after(
        outcome: pluggy.Result[Any],
        hook: str,
        implementations: Sequence[pluggy.HookImpl],
        arguments: Mapping[str, Any],
    ) -> None:
        seconds = time.perf_counter() - begun.at.pop()
        _tell(f"{_call(hook, implementations, arguments)} -> {_ended(outcome)}, {seconds:.4f} s")

    manager.add_hookcall_monitoring(before, after)


def _tell(line: str) -> None:
    say(f"trace: {line}", stream=sys.stderr)


def _call(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> str:
    plugins = " ".join(implementation.plugin_name for implementation in implementations)
    return f"{plugins} {hook}({', '.join(f'{name}={_short(value)}' for name, value in arguments.items())})"


def _ended(outcome: pluggy.Result[Any]) -> str:
    error = outcome.exception
    if error is not None:
        return f"raised {type(error).__name__}: {_cut(' '.join(str(error).split()))}"
    # A list with what each plugin returned; None is left out of it.
    returned = outcome.get_result()
    return ", ".join(map(_short, returned)) if returned else "nothing"


def _short(value: object) -> str:
    """A value in a few words: a class by its name, an object without a `repr` of its own by its class."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_short, value))}]"
    if type(value).__repr__ is object.__repr__:
        return f"<{type(value).__name__}>"
    try:
        return _cut(repr(value))
    except Exception:  # a plugin's own class
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
