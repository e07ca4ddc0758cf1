"""Waits for what a plugin does at its import, but not for ever."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from glueft.errors import PluginError
from glueft.text import say

# The contract has a plugin import nothing heavy; one that does, on a slow disk, still comes to an end in this time.
DEFAULT_SECONDS = 30.0
VARIABLE = "GLUEFT_IMPORT_SECONDS"

# After so long the user is told what is being waited for.
TOLD_AFTER = 5.0


class OutOfPatienceError(Exception):
    """It did not come to an end in time."""


def import_seconds() -> float:
    """How long a plugin's import may take: `GLUEFT_IMPORT_SECONDS`, or 30.

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
    """Do some work in a thread of its own, and return what it returns or raise what it raises.

    The thread of work that hangs cannot be ended; it is left behind, and ends with the process. Nothing helps against
    work that hangs in C code without letting go of Python's lock.

    Args:
        seconds: how long it may take.
        work: called without arguments.
        doing: what it does, for the line on standard error once it takes long.

    Raises:
        OutOfPatienceError: it took longer.
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
        raise OutOfPatienceError
    return outcome["value"]
