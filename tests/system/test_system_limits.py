"""How many processors and how much memory there are, where a control group allows less than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glueft.system import limits

GB = 10**9


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight processors, 2 GB of whose memory are free; its control groups are in this folder."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable: {2 * GB // 1024} kB\n")
    monkeypatch.setattr(limits, "ROOT", tmp_path)
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(limits, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {*range(8)}, raising=False)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_without_control_groups(system: Path) -> None:
    assert limits.cores() == 8
    assert limits.memory_limit() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert limits.free_memory() == 2 * GB // 1024 * 1024


def test_the_limits_of_the_groups_around_it_hold_too(system: Path) -> None:
    (system / "groups").write_text("0::/slurm/job\n")
    write(system / "slurm", cpu__max="250000 100000", memory__max="max")
    write(system / "slurm" / "job", cpu__max="max 100000", memory__max=f"{GB}")
    assert (limits.cores(), limits.memory_limit(), limits.free_memory()) == (2, GB, GB)


def test_control_groups_of_the_old_version(system: Path) -> None:
    (system / "groups").write_text("5:cpu,cpuacct:/job\n4:memory:/job\n3:freezer:/job\nno line of its kind\n")
    write(system / "cpu,cpuacct" / "job", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    write(system / "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    write(system / "memory" / "job", memory__limit_in_bytes=f"{GB}")
    assert (limits.cores(), limits.memory_limit()) == (3, GB)


def test_less_than_a_processor_is_one(system: Path) -> None:
    (system / "groups").write_text("0::/\n")
    write(system, cpu__max="50000 100000")
    assert limits.cores() == 1
