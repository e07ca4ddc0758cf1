"""The processors and the memory that this process may use: of the machine, or of its container or SLURM job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")
MEMORY = Path("/proc/meminfo")


def cores() -> int:
    """Return how many processors the process may use: those that it is bound to, at most its control group's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [float(bound)]
    for text in _of_groups("cpu", "cpu.max", "cpu.cfs_quota_us"):
        with suppress(ValueError):
            quota, period = map(float, text.split())  # "max 100000" where there is no limit
            if quota > 0:
                shares.append(quota / period)
    return max(1, int(min(shares)))


def memory_limit() -> int | None:
    """Return the bytes of memory that the process may hold, of its control group or the machine; None if unknown."""
    limits = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for text in _of_groups("memory", "memory.max", "memory.limit_in_bytes"):
        with suppress(ValueError):
            limits.append(int(text))
    return min(limits, default=None)


def free_memory() -> int | None:
    """Return the bytes of memory that more processes may take now; None if unknown.

    What the files in the cache of the disk take is free. A control group's own use is left out of account.
    """
    free = memory_limit()
    with suppress(OSError, ValueError, IndexError):
        (line,) = (line for line in MEMORY.read_text(encoding="utf-8").splitlines() if line.startswith("MemAvailable:"))
        available = int(line.split()[1]) * 1024
        free = available if free is None else min(free, available)
    return free


def _of_groups(controller: str, name: str, old_name: str) -> Iterator[str]:
    """Yield what a file holds in the process's control group and in each around it, whose limits hold too.

    A control group is what containers and SLURM set the limits for; see cgroups(7). In a container, its own group is
    the root. The old version has a folder for each controller, and the period of a quota in a file of its own.
    """
    lines = []
    with suppress(OSError):
        lines = GROUPS.read_text(encoding="utf-8").splitlines()
    for line in lines:
        with suppress(ValueError):
            _, controllers, group = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = ROOT / controllers
            for place in (root / group.lstrip("/"), *(root / group.lstrip("/")).parents):
                with suppress(OSError):
                    text = (place / (old_name if controllers else name)).read_text(encoding="utf-8")
                    if controllers and controller == "cpu":
                        text += " " + (place / "cpu.cfs_period_us").read_text(encoding="utf-8")
                    yield text
