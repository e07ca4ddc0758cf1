"""A Ray cluster, as the runs of a study use it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
import ray.exceptions

import glueft
from glueft.plugin.attribution import said
from glueft.plugin.executor import JobState
from glueft.text import counted
from glueft_executors.node import Command
from glueft_executors.ray import Ray
from glueft_executors.ray_task import run

CONNECT_SECONDS = 10.0
# The nodes, and the files of tasks that have begun, are looked at this often.
NODES_SECONDS = 5.0
LOOK_SECONDS = 1.0
STOP_SECONDS = 30.0
GB = 10**9


def connect(address: str, folder: Path) -> bool:
    """Connect to a cluster, if this process is not connected yet; return whether it was not.

    Raises:
        PluginError: it cannot be reached, or has another version.
    """
    if ray.is_initialized():
        return False
    _keep_messages(folder / "executor" / "ray" / "messages.txt")
    try:
        _look_for(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        with _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise glueft.PluginError(
            f"the Ray cluster {address!r} cannot be reached",
            expected="a cluster that runs: `ray start --head` on a machine, `ray start --address=HOST:6379` on others",
            received=said(error),
            fix="start it, or correct study.executor.address"
            if "ersion mismatch" not in str(error)
            else "install the cluster's versions of Ray and Python here",
        ) from error
    return True


def _look_for(address: str) -> None:
    """Raise OSError if nobody listens: Ray itself would try for minutes, or end the process."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep this process's handlers of signals: Ray would put its own in their place."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with suppress(ValueError):  # not in the main thread
            for number, handler in before.items():
                signal.signal(number, handler)


def _keep_messages(file: Path) -> None:
    """Write to a file what Ray tells of lost nodes: pages of it, on standard output, and no setting turns that off."""

    def keep(data: Mapping[str, Any], **options: Any) -> None:
        with suppress(OSError), file.open("a", encoding="utf-8") as messages:
            messages.writelines(f"{line}\n" for line in data.get("lines", ()))

    file.parent.mkdir(parents=True, exist_ok=True)
    ray._private.worker.print_to_stdstream = keep


class RayPool:
    """A cluster.

    Args:
        options: of the executor.
        folder: of the study.
        jobs: how many there will be at the most; None if unknown.
        ours: whether the connection is closed with the pool.
    """

    def __init__(self, options: Ray.Options, folder: Path, jobs: int | None, *, ours: bool) -> None:
        self.options = options
        self.folder = folder / "executor" / "ray"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.jobs = jobs
        self.begun: set[str] = set()  # names of files that tasks have made
        self.looked = self.asked = float("-inf")
        self._ours = ours
        self._room = 0
        self._nodes: list[Mapping[str, float]] = []

    @property
    def needs(self) -> dict[str, float]:
        """What a run takes of a node, by Ray's names."""
        options = self.options
        needs = {"CPU": float(options.cpus_per_run), "GPU": options.gpus_per_run, **(options.resources or {})}
        if options.memory is not None:
            needs["memory"] = options.memory * GB
        return {name: amount for name, amount in needs.items() if amount > 0}

    @property
    def slots(self) -> int:
        """`parallel`, or what all nodes together have room for; it changes as nodes come and go."""
        if self.options.parallel != "auto":
            return self.options.parallel
        self._ask()
        return max(1, self._room if self.jobs is None else min(self._room, self.jobs))

    def describe(self) -> str:
        """How many at once, and what each has."""
        self._ask()
        cores = counted(self.options.cpus_per_run, "core")
        amount = self.options.gpus_per_run
        gpus = "no GPU" if not amount else f"{amount:g} GPU{'s' if amount > 1 else ''}"
        nodes = counted(len(self._nodes), "node")
        return f"{counted(self.slots, 'run')} at once on the Ray cluster, {nodes}, each on {cores} and {gpus}"

    def check(self) -> None:
        """See that a node has room for a run. With a fixed `parallel`, one that has may be still to come.

        Raises:
            PluginError: none has.
        """
        self._ask()
        if self._room or self.options.parallel != "auto":
            return
        raise glueft.PluginError(
            "no node of the Ray cluster has what a run asks for",
            expected=_shown(self.needs),
            received="; ".join(_shown(node) for node in self._nodes) or "no nodes",
            fix="ask for less in [study.executor], or add a node; set parallel where nodes come only when asked for",
        )

    def _ask(self) -> None:
        """Learn what the nodes have, unless that was asked a moment ago."""
        if time.monotonic() - self.asked < NODES_SECONDS:
            return
        self._nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        needs = self.needs
        self._room = sum(
            min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in needs.items()) for node in self._nodes
        )
        self.asked = time.monotonic()

    def start(self, job: glueft.Job) -> RayJob:
        """Hand a task over; Ray begins it where there is room."""
        begun = self.folder / f"{job.name}_begun"
        begun.unlink(missing_ok=True)
        self.begun.discard(begun.name)
        needs = self.needs
        task = ray.remote(run).options(
            name=job.name,
            num_cpus=needs.pop("CPU"),
            num_gpus=needs.pop("GPU", 0),
            memory=needs.pop("memory", None),
            resources=needs,
            max_retries=self.options.retries,
        )
        return RayJob(self, job, begun.name, task.remote(Command.of(job, self.options.cpus_per_run), str(begun)))

    def has_begun(self, name: str) -> bool:
        """Whether a task has made its file."""
        if name not in self.begun and time.monotonic() - self.looked >= LOOK_SECONDS:
            with suppress(OSError):
                self.begun = {*os.listdir(self.folder)}  # noqa: PTH208  it also makes NFS show new files
            self.looked = time.monotonic()
        return name in self.begun

    def find(self, job: glueft.Job, id: str) -> None:  # noqa: A002
        """Find nothing: with the process that began them, Ray ends its tasks."""

    def close(self) -> None:
        """Close the connection."""
        if self._ours:
            ray.shutdown()


def _shown(resources: Mapping[str, float]) -> str:
    """Resources for a message, without those that Ray makes up for each node."""
    own = {name: amount for name, amount in resources.items() if ":" not in name and name != "object_store_memory"}
    return ", ".join(
        f"{amount / GB:.1f} GB of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in sorted(own.items())
    )


class RayJob:
    """A task of the cluster.

    Args:
        pool: the cluster.
        job: of the study.
        begun: the file that it makes when it begins, in the folder of the executor.
        task: Ray's reference to its result.
    """

    id = None  # only this process can ask for it

    def __init__(self, pool: RayPool, job: glueft.Job, begun: str, task: Any) -> None:
        self._pool = pool
        self._job = job
        self._begun = begun
        self._task = task
        self._ended = False
        self._code: int | None = None

    def state(self) -> JobState:
        """By what Ray says of its result."""
        if not self._ended and ray.wait([self._task], timeout=0)[0]:
            self._ended, self._code = True, self._result()
        if self._ended:
            return "ended"
        return "running" if self._pool.has_begun(self._begun) else "waiting"

    def _result(self) -> int | None:
        try:
            code: int = ray.get(self._task)
        except ray.exceptions.RayTaskError as error:  # on its node: the folder is not there, or glueft is not
            with suppress(OSError), (self._job.folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(f"The Ray task has failed:\n{error}\n")
            return 1
        except ray.exceptions.RayError:  # cancelled, or lost too often
            return None
        return code

    def exit_code(self) -> int | None:
        """The command's own; 1 where the task has failed without it; None where it was cancelled or lost."""
        return self._code

    def stop(self) -> None:
        """Take it off the queue, or send its command SIGTERM."""
        if self.state() != "ended":
            ray.cancel(self._task)

    def kill(self) -> None:
        """Kill its command, as the second of two cancellations does; end its worker where that does not help."""
        self.stop()
        for force in (False, True):
            if self.state() != "ended":
                time.sleep(0.5)  # Ray takes two at the same moment for one
                ray.cancel(self._task, force=force)
            until = time.monotonic() + STOP_SECONDS
            while self.state() != "ended" and time.monotonic() < until:
                time.sleep(0.1)
