"""A time limit for the import of a plugin."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from glueft.errors import PluginError
from glueft.text import say

# A plugin should import nothing heavy; one that does is still done in this time on a slow disk.
DEFAULT_SECONDS = 30.0
VARIABLE = "GLUEFT_IMPORT_SECONDS"

# After this the user is told what glueft waits for.
TOLD_AFTER = 5.0


class TimedOutError(Exception):
    """The work did not end in time."""


def import_seconds() -> float:
    """Return the time limit for a plugin's import in seconds: `GLUEFT_IMPORT_SECONDS`, or 30.

    Raises:
        PluginError: the variable does not hold a number above 0.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        return DEFAULT_SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise PluginError(
            f"the environment variable {VARIABLE} is not a number of seconds",
            expected="a number above 0: how long the import of one plugin may take",
            received=repr(given),
            fix=f"unset {VARIABLE}; plugins then get {DEFAULT_SECONDS:g} seconds each",
        )
    return seconds


def within(seconds: float, work: Callable[[], Any], doing: str) -> Any:
    """Call `work` in a thread; return what it returns or raise what it raises.

    A thread that hangs cannot be ended: it is left behind and ends with the process. Work that hangs in C code
    and keeps Python's lock cannot be interrupted.

    Args:
        seconds: the time limit.
        work: called without arguments.
        doing: what it does, for the line on standard error once it takes long.

    Raises:
        TimedOutError: it took longer.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:  # a plugin may raise anything, even SystemExit
            outcome["error"] = error

    thread = threading.Thread(target=run, name=doing, daemon=True)
    thread.start()
    thread.join(min(TOLD_AFTER, seconds))
    if thread.is_alive() and seconds > TOLD_AFTER:
        say(f"still {doing}; given up after {seconds:g} s, Ctrl-C stops at once", stream=sys.stderr)
        thread.join(seconds - TOLD_AFTER)
    if "error" in outcome:
        raise outcome["error"]
    if "value" not in outcome:
        raise TimedOutError
    return outcome["value"]
