"""What a SLURM job does: run one command, pass signals on, and go back into the queue when its time is up."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import submitit

from glueft_executors.node import Command, Process

# What the names of two files beside submitit's end with, after the number of the job: it has told its exit code; the
# study has asked it to stop.
EXIT, STOP = "_exit", "_stop"
# The signal by which the study kills the command.
KILL = signal.SIGUSR1


class Task:
    """Pickled by submitit, and called in the SLURM job.

    The exit code is told of a command that has ended by itself, or because the study has asked for it. Without it the
    command was cut off, and the job may come again.

    Args:
        command: the job's.
        folder: of the executor.
    """

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._process: Process | None = None
        self._ended_by_system = False

    def __call__(self) -> int:
        """Run the command; return its exit code."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(KILL, self._kill)
        if not self._is_asked_to_stop():
            self._process = self._command.begin(again=os.environ.get("SLURM_RESTART_COUNT", "0") != "0")
        code = 128 + signal.SIGTERM if self._process is None else self._process.wait()
        if self._ended_by_system and not self._is_asked_to_stop() and was_cut_off(code):
            sys.exit(128 + signal.SIGTERM)
        self._tell(code)
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission | None:
        """Have the run save its state when the job's time is up, or it is preempted: submitit puts it back then."""
        if self._process is not None:
            self._process.send(signal.SIGUSR1)
            code = self._process.wait()
            if self._is_asked_to_stop() or not was_cut_off(code):
                self._tell(code)
                return None
        return submitit.helpers.DelayedSubmission(Task(self._command, self._folder))

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Pass SIGTERM on: of the study that stops the run, or of SLURM that preempts or cancels the job."""
        self._ended_by_system = True
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    def _kill(self, number: int, frame: FrameType | None) -> None:
        """End the command at once: SLURM itself would wait half a minute."""
        if self._process is not None:
            self._process.kill()

    def _is_asked_to_stop(self) -> bool:
        return Path(self._folder, f"{own_id()}{STOP}").exists()

    def _tell(self, code: int) -> None:
        tell_exit(self._folder, own_id(), code)


def was_cut_off(code: int) -> bool:
    """Whether a run has ended by a signal: after it has saved its state (143), or at once."""
    return code < 0 or code in (128 + signal.SIGINT, 128 + signal.SIGTERM)


def own_id() -> str:
    """The number of the SLURM job in which this runs."""
    number: str = submitit.JobEnvironment().job_id
    return number


def tell_exit(folder: Path, number: str, code: int) -> None:
    """Write the exit code for the study, whole or not at all."""
    place = Path(folder, f"{number}{EXIT}")
    part = place.with_suffix(".part")
    part.write_text(f"{code}\n", encoding="utf-8")
    part.replace(place)


def told_exit(folder: Path, number: str) -> int | None:
    """The exit code that a job has told; None if none."""
    try:
        return int(Path(folder, f"{number}{EXIT}").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
