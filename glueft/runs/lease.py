"""Who trains in a run folder: one process at a time, which other processes and hosts can tell to be alive.

The process holds a lock on the file `heartbeat` in the folder, and writes to it every 20 seconds. The lock ends with
the process, however it ends, but some network file systems have none, or one for each host. For another host the age of
the file counts, by the clock of the file system.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.errors import RunFolderError
from glueft.runs.environment import peak_memory
from glueft.system.interruption import at_the_end, forget
from glueft.system.limits import memory_limit
from glueft.system.plain_file import refuse_irregular
from glueft.system.process_identity import is_alive, process_identity

NAME = "heartbeat"
BEAT_SECONDS = 20.0
# A process that was silent for longer is gone: several beats, and the minute for which NFS may show an old time.
SILENT_SECONDS = 120.0

_held: set[Lease] = set()


class Lease:
    """The right of this process to train in a run folder, from `take` to `release`.

    Where the folder cannot be written to, or its file system has no locks, the run goes on without.
    """

    def __init__(self, path: Path, file: int | None) -> None:
        self._path = path
        self._file = file
        self._process = os.getpid()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        if file is not None:
            _held.add(self)
            at_the_end(self.release)
            threading.Thread(target=self._beat, name="glueft-heartbeat", daemon=True).start()

    @classmethod
    def take(cls, folder: Path, process: Any = None) -> Lease:
        """Take the folder of a run whose process has ended, or that has just been made.

        Args:
            folder: of the run.
            process: of the run, as its record says; it counts where there is no heartbeat.

        Raises:
            RunFolderError: the process of the run is alive, or may be: another host's has given a sign of life within
                two minutes.
        """
        path = folder / NAME
        if read_heartbeat(folder) is None and process != process_identity() and is_alive(process):
            raise _alive(folder, Heartbeat("", process, time.time()))
        while True:
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError:
                return cls(path, None)
            try:
                locked = _lock(file)
                if _is(file, path):
                    _refuse_living(folder, locked)
                    with suppress(OSError):  # The disk may be full.
                        os.ftruncate(file, 0)
                        _write(file)
                    return cls(path, file)
            except BaseException:
                os.close(file)
                raise
            os.close(file)  # The process that held it has ended in this moment, and removed it.

    @property
    def file_descriptor(self) -> int | None:
        """The file that is locked: a process that inherits it holds the lock until it ends; None without a lock."""
        return self._file

    def release(self) -> None:
        """Remove the file, and with it the lock. A fork of the process that holds the lease does nothing."""
        if os.getpid() != self._process:
            return
        forget(self.release)
        self._ended.set()
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            if _is(file, self._path):
                with suppress(OSError):
                    self._path.unlink()
            os.close(file)
        _held.discard(self)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with self._lock, suppress(OSError):
                if self._file is not None:
                    _write(self._file)
                    # NFS keeps what is written to itself for a while, but not this.
                    os.utime(self._file if os.utime in os.supports_fd else self._path)


@dataclass(frozen=True)
class Heartbeat:
    """What a process has left in a run folder that it has not released.

    Attributes:
        host: its name; "" if that was not written.
        process: as `process_identity` returned it; None if that was not written.
        time: of the last sign of life, by the clock of the file system.
        peak_memory: the most memory that the process had held, in bytes; None if unknown.
        memory: the most that it could hold; None if unknown.
    """

    host: str
    process: Any
    time: float
    peak_memory: int | None = None
    memory: int | None = None

    def age(self, folder: Path) -> float:
        """Return the seconds since the last sign of life."""
        return max(0.0, _file_system_time(folder) - self.time)


def is_running(folder: Path, process: Any) -> bool | None:
    """Whether the process that trains in a run folder is alive; None if that cannot be known from here.

    Args:
        folder: of the run.
        process: of the run, as its record says; it counts where there is no heartbeat.
    """
    beat = read_heartbeat(folder)
    alive = is_alive(process if beat is None or beat.process is None else beat.process)
    if alive is not None or beat is None:
        return alive
    return beat.age(folder) < SILENT_SECONDS


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Return what is left in a run folder; None if its process has released it, or never could take it."""
    try:
        refuse_irregular(folder / NAME)
        with (folder / NAME).open("rb") as file:
            content, moment = file.read(4096), os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    try:
        told = json.loads(content)
        process, *memory = told["process"], told.get("peak_memory_bytes"), told.get("memory_bytes")
        known = [value if isinstance(value, int) else None for value in memory]
        return Heartbeat(str(told["host"]), process if isinstance(process, dict) else None, moment, *known)
    except (ValueError, KeyError, TypeError):
        return Heartbeat("", None, moment)


def _refuse_living(folder: Path, locked: bool | None) -> None:
    """Refuse a folder whose process lives; `locked` is what `_lock` has returned."""
    beat, here = read_heartbeat(folder), process_identity()
    if locked is False:
        raise _alive(folder, beat)
    if beat is None or beat.process is None:
        return
    # On one machine the lock tells, also between containers.
    if locked and "boot_id" in here and beat.process.get("boot_id") == here["boot_id"]:
        return
    alive = is_alive(beat.process)
    age = beat.age(folder) if alive is None else None
    if alive or (age is not None and age < SILENT_SECONDS):
        raise _alive(folder, beat, age)


def _alive(folder: Path, beat: Heartbeat | None, age: float | None = None) -> RunFolderError:
    """Return the error for a run whose process is alive; or may be, `age` seconds after its last sign of life."""
    number = beat.process.get("pid") if beat is not None and beat.process is not None else None
    who = "another process" if number is None else f"process {number}"
    host = f" on {beat.host}" if beat is not None and beat.host and beat.host != platform.node() else ""
    received = f"{who}{host} trains it"
    fix = "wait until it is done" + ("" if number is None else f", or end it: kill {number}{host}")
    if age is not None:
        received = f"{who}{host} gave a sign of life {age:.0f} s ago"
        fix += f"; if it is gone already, try again in {SILENT_SECONDS - age:.0f} s"
    return RunFolderError(
        f"{folder}: the run is still going on",
        expected="a run whose process has ended",
        received=received,
        fix=fix,
    )


def _write(file: int) -> None:
    """Write over what this process has written before, which was not longer."""
    content = {
        "host": platform.node(),
        "process": process_identity(),
        "peak_memory_bytes": peak_memory(),
        "memory_bytes": memory_limit(),
    }
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, json.dumps(content).encode())


def _file_system_time(folder: Path) -> float:
    """Return the time by the clock that stamps the files of a folder: on a network, the server's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:  # read-only
        return time.time()


def _lock(file: int) -> bool | None:
    """Lock a file; return False where another has locked it, and None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is(file: int, path: Path) -> bool:
    """Whether an open file is the one that stands in a place."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _close_in_fork() -> None:
    """Close what a fork has of the leases: it would keep the lock after the process that holds it has ended."""
    for lease in _held:
        if lease._file is not None:
            os.close(lease._file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_fork)
