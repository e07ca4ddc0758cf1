"""The `glueft` script: it handles signals, and reads the clock, before it imports the rest of glueft.

Those imports take the first quarter of a second.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from contextlib import suppress
from types import FrameType

# A start longer ago than this is a misreading: a container that counts from another boot than its files say.
LONGEST_START = 600.0


def main() -> None:
    """Run `glueft`; `glueft.system.interruption` takes the signals over from here."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
        number = getattr(signal, name, None)
        # One that is ignored (`nohup`) stays ignored.
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    begin = process_start()
    gc.disable()  # as `glueft.cli.main` does: the imports make hardly any garbage
    from glueft.cli.main import main

    main(begin)


def process_start() -> float:
    """Return the value of `time.perf_counter()` at which this process was started, to 10 ms.

    Linux tells it: field 22 of /proc/self/stat, see proc(5). On other systems it is the value of now.
    """
    from pathlib import Path

    now = time.perf_counter()
    try:
        # The name of the program, in brackets, may hold spaces and brackets of its own.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return now
    return now - age if 0 <= age < LONGEST_START else now


def _end(number: int, frame: FrameType | None) -> None:
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    with suppress(OSError):
        os.write(2, f"interrupted{by}\n".encode())
    # As `glueft.system.interruption` says: SIGUSR1 asks for what SIGTERM does.
    os._exit(128 + (signal.SIGTERM if signal.Signals(number).name == "SIGUSR1" else number))


if __name__ == "__main__":
    main()
