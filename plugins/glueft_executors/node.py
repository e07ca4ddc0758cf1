"""A job's command as a process on the machine of a cluster that has got it. What is here runs there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import glueft

WAIT_SECONDS = 0.1

# What decides how many threads a process computes with: TensorFlow, JAX (NPROC), PyTorch and NumPy (OpenMP, MKL,
# OpenBLAS), and the tokenizers (Rayon).
THREADS = (
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip

# The process gets SIGTERM when the one that began it dies (1 is PR_SET_PDEATHSIG, prctl(2)), so that no run goes on
# which nobody knows of. SLURM sends its signals to all processes of a job: SIGUSR2 is for the one that began it alone.
# This is done in the process itself, as the one that forks has threads.
BEGIN = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""


def share_of(threads: int) -> dict[str, str]:
    """Return the variables by which a process computes with so many threads."""
    return dict.fromkeys(THREADS, str(threads))


@dataclass(frozen=True)
class Command:
    """What a machine must know of a job.

    Attributes:
        command, again, folder, environment: as of `glueft.Job`.
        threads: how many the process computes with, where the machine's own variables do not say it.
    """

    command: tuple[str, ...]
    again: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    threads: int

    @classmethod
    def of(cls, job: glueft.Job, threads: int) -> Command:
        """Return what a machine must know of a job."""
        return cls(job.command, job.again or job.command, str(job.folder), dict(job.environment), threads)

    def begin(self, *, again: bool) -> Process:
        """Begin the process, in a session of its own.

        Args:
            again: whether the job has been begun before, on this machine or another.

        Raises:
            OSError: the folder is not there, as where machines do not share it.
        """
        begin = (sys.executable, "-I", "-S", "-c", BEGIN, str(os.getpid())) if sys.platform == "linux" else ()
        with Path(self.folder, "log.txt").open("ab") as log:
            return Process(
                subprocess.Popen(
                    [*begin, *(self.again if again else self.command)],
                    cwd=self.folder,
                    env=share_of(self.threads) | dict(os.environ) | dict(self.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )


class Process:
    """A process that is waited for in a thread: also the handler of a signal may ask whether it has ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._codes: list[int] = []
        threading.Thread(target=lambda: self._codes.append(process.wait()), daemon=True).start()

    def wait(self) -> int:
        """Return the exit code, negative for a signal, once it has ended."""
        while not self._codes:
            time.sleep(WAIT_SECONDS)
        return self._codes[0]

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self._codes:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it and all that it has begun."""
        if not self._codes:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
