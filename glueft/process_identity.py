"""Which process writes a run, so that others can tell whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PROC = Path("/proc")


def process_identity() -> dict[str, Any]:
    """Return what names this process for good: its number alone does not, for numbers are given again.

    Returns:
        `pid`; on Linux also `start_ticks` (clock ticks from the start of the machine to that of the process, field 22
        of /proc/<pid>/stat), `boot_id` (of this start of the machine) and `pid_namespace` (where the number holds:
        containers count their own), see proc(5).
    """
    pid = os.getpid()
    try:
        return {"pid": pid, "start_ticks": int(_stat(pid)[19]), **_here()}
    except (OSError, IndexError, ValueError):
        return {"pid": pid}


def is_alive(identity: Any) -> bool | None:
    """Tell whether the process of `process_identity` still runs; None where that cannot be known from here.

    It cannot for a process of another machine, of another container, or from before the machine was last started, nor
    on systems without /proc. A process that has ended and has not been waited for yet has ended.

    Args:
        identity: as `process_identity` returned it, through JSON; anything else is None.
    """
    try:
        here = _here()
        if {key: identity[key] for key in here} != here:
            return None
        pid, ticks = int(identity["pid"]), int(identity["start_ticks"])
    except (OSError, KeyError, TypeError, ValueError):
        return None
    try:
        fields = _stat(pid)
        return int(fields[19]) == ticks and fields[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        # Where /proc is mounted with hidepid, another user's processes are not there to see, the first one neither.
        return False if (PROC / "1").exists() else None
    except (OSError, IndexError, ValueError):
        return None


def _here() -> dict[str, str]:
    return {
        "boot_id": (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip(),
        "pid_namespace": str((PROC / "self/ns/pid").readlink()),
    }


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on: the name before it may hold spaces and brackets of its own."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
