"""When the command was started: the clock of a run counts from there, Python's own start included."""

from __future__ import annotations

import os
import time
from pathlib import Path

# A start longer ago than this is a misreading: a container that counts from another boot than its files say.
LONGEST_START = 600.0


def process_start() -> float:
    """Return the reading that `time.perf_counter()` had when this process was started.

    Linux says so, to 10 ms (field 22 of /proc/self/stat, see proc(5)); on other systems it is the reading of now.
    """
    now = time.perf_counter()
    try:
        # The name of the program, in brackets, may hold spaces and brackets of its own.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return now
    return now - age if 0 <= age < LONGEST_START else now
