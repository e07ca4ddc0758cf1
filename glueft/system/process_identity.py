"""Identifies the process that writes a run, so that others can tell whether it is still alive."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

PROC = Path("/proc")


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """Return what identifies this process, or another of this machine, uniquely; its number alone may be reused.

    Returns:
        `pid`; on Linux also `start_ticks` (clock ticks from the start of the machine to that of the process, field 22
        of /proc/<pid>/stat), `boot_id` (of this start of the machine) and `pid_namespace` (where the number holds:
        containers count their own), see proc(5).
    """
    pid = os.getpid() if pid is None else pid
    try:
        return {"pid": pid, "start_ticks": int(_stat(pid)[19]), **_here()}
    except (OSError, IndexError, ValueError):
        return {"pid": pid}


def is_alive(identity: Any) -> bool | None:
    """Return whether the process of `process_identity` still runs; None if that cannot be known from here.

    It is unknown for a process of another machine or container or from before the last boot, and on systems without
    /proc. A zombie process counts as ended.

    Args:
        identity: as `process_identity` returned it, through JSON; None is returned for anything else.
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
        # Where /proc is mounted with hidepid, other users' processes are invisible, process 1 included.
        return False if (PROC / "1").exists() else None
    except (OSError, IndexError, ValueError):
        return None


def process_mark(pid: int | None = None) -> str:
    """Return `<pid>-<start_ticks>-<hash of boot and pid namespace>`, for file names; zeros for what is unknown."""
    identity = process_identity(pid)
    here = _hash({key: value for key, value in identity.items() if key not in ("pid", "start_ticks")})
    return f"{identity['pid']}-{identity.get('start_ticks', 0)}-{here}"


def process_mark_is_alive(mark: str) -> bool | None:
    """Return what `is_alive` does for a `process_mark`; None for any other text."""
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
    """Return the fields of /proc/<pid>/stat from the third on; the name before it may hold spaces and brackets."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
