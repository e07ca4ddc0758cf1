"""Executors: where the runs of a study are run, as processes here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from glueft.plugin.base import Plugin

JobState = Literal["waiting", "running", "ended"]


@dataclass(frozen=True)
class Job:
    """A run of a study as a command: a process of its own that can be run on any machine that sees the folder.

    Attributes:
        name: unique in the study.
        command: program and arguments; paths are absolute.
        folder: absolute; the job's alone, and the process's working folder. `log.txt` in it takes what the process
            prints, added at the end.
        environment: variables to set beside those of this process.
        file_descriptors: files that a process on this machine inherits, by number: they are locked while the job lives.
        memory: bytes that it is expected to need at the peak; None if unknown.
        again: the command by which it goes on with what it has saved, where an executor begins it again, as after a
            machine was lost; () for the same.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    file_descriptors: tuple[int, ...] = ()
    memory: int | None = None
    again: tuple[str, ...] = ()


class RunningJob(Protocol):
    """A job that was handed to an executor."""

    @property
    def id(self) -> str | None:
        """What finds it again from another process, with `Pool.find`; None where only this process knows it.

        A queue may give it only once the job is handed on, at a later call of `state`.
        """

    def state(self) -> JobState:
        """Whether it waits for its turn, runs, or has ended. Cheap: it is asked for several times a second."""

    def exit_code(self) -> int | None:
        """The exit code of the process, negative for a signal; None where it has not ended, or was lost."""

    def stop(self) -> None:
        """Ask it to save its state and end (SIGTERM), or take it off the queue. Returns at once."""

    def kill(self) -> None:
        """End it at once. Returns when it has ended, or cannot be reached."""


class Pool(Protocol):
    """Where an executor runs the jobs of one study, from `Executor.open` to `close`."""

    @property
    def slots(self) -> int:
        """How many jobs may be handed over and not have ended. It may change with the machines that come and go."""

    def describe(self) -> str:
        """One line for the user: "2 runs at once on this machine, one core each"."""

    def start(self, job: Job) -> RunningJob:
        """Hand a job over; it begins now or when there is room.

        Raises:
            GlueftError: it cannot be started here at all.
        """

    def find(self, job: Job, id: str) -> RunningJob | None:  # noqa: A002
        """Find a job that an earlier process handed over; None if nothing is known of it any more."""

    def close(self) -> None:
        """Let go of what was opened. Jobs that go on elsewhere are left alone."""


class Executor(Plugin):
    """Where the runs of a study are run.

    Attributes:
        here: whether jobs are processes of this machine, which begin at once: `glueft plan` then times a recipe as one.
    """

    kind = "executor"
    here: ClassVar[bool] = False

    def open(self, folder: Path, say: Callable[[str], None], *, jobs: int | None = None) -> Pool:
        """Make ready to run jobs.

        Args:
            folder: of the study, absolute; `executor/` in it is the plugin's own.
            say: takes a line for the user.
            jobs: how many there will be at the most, so that fewer jobs than cores get several each; None if unknown.

        Raises:
            GlueftError: a package is missing, or the cluster cannot be reached.
        """
        raise NotImplementedError


POOL = ("slots", "describe", "start", "find", "close")


def lacks_of_pool(pool: object) -> list[str]:
    """Return the members of `Pool` that an object does not have."""
    return [name for name in POOL if not hasattr(pool, name)]
