"""Shows each call of a plugin's hook on standard error, with GLUEFT_TRACE_PLUGINS=1.

pluggy's own tracing names neither the plugin nor the time of a call.
"""

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
    """Report every hook call of a manager, unless GLUEFT_TRACE_PLUGINS is unset, empty or 0.

    There is a line before and a line after each call, so that a call that hangs is seen as well:

        trace: glueft:glueft_callbacks glueft_run_finished(run=Run(mrpc-20261122-191345-fef252)) ...
        trace: glueft:glueft_callbacks glueft_run_finished(run=Run(mrpc-20261122-191345-fef252)) -> nothing, 0.0012 s
    """
    if os.environ.get(VARIABLE, "0") in ("", "0"):
        return
    begun = threading.local()  # hooks that list plugins are called in threads of their own

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
        say(f"trace: {_call(hook, implementations, arguments)} ...", stream=sys.stderr)
        begun.at = [*getattr(begun, "at", []), time.perf_counter()]

    def after(
        outcome: pluggy.Result[Any],
        hook: str,
        implementations: Sequence[pluggy.HookImpl],
        arguments: Mapping[str, Any],
    ) -> None:
        seconds = time.perf_counter() - begun.at.pop()
        line = f"trace: {_call(hook, implementations, arguments)} -> {_result(outcome)}, {seconds:.4f} s"
        say(line, stream=sys.stderr)

    manager.add_hookcall_monitoring(before, after)


def _call(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> str:
    plugins = " ".join(implementation.plugin_name for implementation in implementations)
    return f"{plugins} {hook}({', '.join(f'{name}={_short(value)}' for name, value in arguments.items())})"


def _result(outcome: pluggy.Result[Any]) -> str:
    error = outcome.exception
    if error is not None:
        return f"raised {type(error).__name__}: {_cut(' '.join(str(error).split()))}"
    # A list with what each plugin returned; None is left out of it.
    returned = outcome.get_result()
    return ", ".join(map(_short, returned)) if returned else "nothing"


def _short(value: object) -> str:
    """A class by its name, an object without a `repr` of its own by its class, any other value by its `repr`."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_short, value))}]"
    try:
        return f"<{type(value).__name__}>" if type(value).__repr__ is object.__repr__ else _cut(repr(value))
    except Exception:  # a `repr` of a plugin's own class
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
