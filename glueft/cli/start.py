"""Starts the command line: from here on a signal ends it in the way that glueft promises, and not with a traceback.

All else of glueft is imported below it; that takes the first quarter of a second.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress
from types import FrameType


def main() -> None:
    """Run `glueft`; `glueft.system.interruption` takes the signals over from here."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # One that is ignored (`nohup`) stays ignored.
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    gc.disable()  # as `glueft.cli.main` does: hardly anything that the imports make is garbage
    from glueft.cli.main import main

    main()


def _end(number: int, frame: FrameType | None) -> None:
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    with suppress(OSError):
        os.write(2, f"interrupted{by}\n".encode())
    os._exit(128 + number)
