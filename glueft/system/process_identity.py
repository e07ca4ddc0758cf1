"""Which process writes a run, so that others can tell whether it still lives."""

from __future__ import annotations

import hashlib
import os
import re
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
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return None
    try:
        fields = _stat(pid)
        return int(fields[19]) == ticks and fields[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        # Where /proc is mounted with hidepid, another user's processes are not there to see, the first one neither.
        return False if (PROC / "1").exists() else None
    except (OSError, IndexError, ValueError):
        return None


def process_mark() -> str:
    """Return what names this process within the name of a file: number, start, and a hash of where the number holds.

    `<pid>-<start_ticks>-<hash>`, with zeros for what the system does not say.
    """
    identity = process_identity()
    here = _hash({key: value for key, value in identity.items() if key not in ("pid", "start_ticks")})
    return f"{identity['pid']}-{identity.get('start_ticks', 0)}-{here}"


def process_mark_is_alive(mark: str) -> bool | None:
    """Tell as `is_alive` does whether the process of a `process_mark` still runs; None too for any other text."""
    found = re.fullmatch(r"(\d+)-(\d+)-([0-9a-f]{8})", mark)
    try:
        here = _here()
    except OSError:
        return None
    if not found or found[3] != _hash(here):
        return None
    return is_alive({"pid": int(found[1]), "start_ticks": int(found[2]), **here})


def _hash(here: dict[str, str]) -> str:
    return hashlib.sha256("\0".join(f"{key}={value}" for key, value in sorted(here.items())).encode()).hexdigest()[:8]


def _here() -> dict[str, str]:
    return {
        "boot_id": (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip(),
        "pid_namespace": str((PROC / "self/ns/pid").readlink()),
    }


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on: the name before it may hold spaces and brackets of its own."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
