"""The runs of a study as processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import glueft
from glueft.system.device_memory import EARLIER_FRACTION, FRACTION
from glueft.system.limits import cores, free_memory, memory_limit
from glueft.system.nvidia import GPU, VARIABLE, visible_gpus
from glueft.system.process_identity import process_mark, process_mark_is_alive
from glueft.text import counted
from glueft_executors.node import share_of

# Memory that a run is taken to need where nothing is known of it, and the part of the free memory that is given away.
USUAL_MEMORY = 2 * 2**30
USED_PART = 0.9
# A process that is killed may hang in the driver of a device.
KILL_SECONDS = 10.0


class Local(glueft.Executor):
    """Runs as processes on this machine: on its GPUs, or its cores shared out among them.

    `parallel = "auto"` has as many runs at once as there are cores, GPUs and memory for, and at most as many as the
    study has. With several at once each computes with its share of the cores, which takes much less time than one run
    after the other on all of them. Variables such as TF_NUM_INTRAOP_THREADS that are set already stay as they are.

    Where nvidia-smi finds GPUs, each run sees one of them. CUDA_VISIBLE_DEVICES is respected.
    """

    name = "local"
    here = True

    class Options(glueft.Options):
        """How many runs at once, and on what."""

        parallel: Annotated[int, glueft.Field(ge=1)] | Literal["auto"] = glueft.Field(
            "auto", description='How many runs at once; "auto" goes by cores, GPUs and memory.'
        )
        device: Literal["auto", "gpu", "cpu"] = glueft.Field(
            "auto",
            description='"gpu": a GPU for each run; "cpu": cores, also where there is a GPU; "auto": GPUs if any.',
        )
        gpu_memory: float = glueft.Field(
            16.0, gt=0, description="GB of a GPU's memory for a run: a larger GPU has several runs at once."
        )

    def open(self, folder: Path, say: Callable[[str], None], *, jobs: int | None = None) -> LocalPool:
        """Look at what the machine has.

        Raises:
            PluginError: `device = "gpu"`, and there is none.
        """
        gpus = [] if self.options.device == "cpu" else visible_gpus(os.environ)
        if self.options.device == "gpu" and not gpus:
            raise glueft.PluginError(
                'the executor "local" finds no GPU',
                expected="a GPU that nvidia-smi lists and CUDA_VISIBLE_DEVICES does not hide",
                received=f"{VARIABLE}={os.environ[VARIABLE]}" if VARIABLE in os.environ else "none",
                fix='install the driver (`glueft env` says what is wrong), or set study.executor.device = "cpu"',
            )
        return LocalPool(self.options, gpus, cores(), free_memory(), memory_limit(), jobs)


class LocalPool:
    """This machine.

    Args:
        options: of the executor.
        gpus: those that runs may use.
        cores: likewise.
        memory: bytes that runs may use together; None if unknown.
        memory_limit: bytes that they might use if nothing else ran; None if unknown.
        jobs: how many there may be at once; None if unknown.
    """

    def __init__(
        self,
        options: Local.Options,
        gpus: list[GPU],
        cores: int,
        memory: int | None,
        memory_limit: int | None,
        jobs: int | None,
    ) -> None:
        self.options = options
        self.gpus = gpus
        self.cores = cores
        self.memory = memory
        self.needed: int | None = None  # bytes: the most that a job so far was expected to take
        self.running: list[LocalJob] = []
        self.most = self.places = options.parallel if isinstance(options.parallel, int) else self._places(jobs)
        # As many for all runs of the study, whatever memory is free when it goes on: with other ones a run has other
        # last digits.
        self.threads = max(1, cores // self._with_memory(memory_limit))
        self.most = self.slots

    def _places(self, jobs: int | None) -> int:
        """How many runs at once, whatever their memory."""
        places = self.cores
        if self.gpus:
            room = [
                1 if gpu.memory is None else int(gpu.memory // (self.options.gpu_memory * 1e9)) for gpu in self.gpus
            ]
            # A run on a GPU keeps a core busy, and reads its rows on another.
            places = min(sum(max(1, runs) for runs in room), max(len(self.gpus), self.cores // 2))
        return max(1, places if jobs is None else min(places, jobs))

    @property
    def slots(self) -> int:
        """How many at once: `parallel`, or as many as the memory allows."""
        return self._with_memory(self.memory)

    def _with_memory(self, memory: int | None) -> int:
        if self.options.parallel != "auto" or memory is None:
            return self.most
        return max(1, min(self.most, int(memory * USED_PART // (self.needed or USUAL_MEMORY))))

    def describe(self) -> str:
        """How many at once, and what each has."""
        at_once = f"{counted(self.slots, 'run')} at once on this machine"
        each = f"{counted(self.threads, 'core')}{' each' if self.slots > 1 else ''}"
        if self.gpus:
            each = f"{counted(len(self.gpus), 'GPU')}, {each}"
        limited = f" (memory for no more than {self.slots})" if self.slots < self.places else ""
        return f"{at_once}, {each}{limited}"

    def start(self, job: glueft.Job) -> LocalJob:
        """Begin a process: in a session of its own, so that a Ctrl-C in the terminal does not reach it.

        Raises:
            PluginError: the program cannot be started, or the log cannot be written.
        """
        if job.memory is not None:
            self.needed = max(self.needed or 0, job.memory)
        gpu = self._free_gpu()
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            with (job.folder / "log.txt").open("ab") as log:
                process = subprocess.Popen(
                    job.command,
                    cwd=job.folder,
                    env=self._environment(gpu) | dict(job.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=job.file_descriptors,
                    start_new_session=True,
                )
        except OSError as error:
            raise glueft.PluginError(
                f'the run "{job.name}" cannot be started',
                expected=f"a program {job.command[0]}, and a folder {job.folder} that can be written to",
                received=f"{error.filename or job.command[0]}: {error.strerror or error}",
                fix="make room, or choose another place with --output-dir",
            ) from error
        started = LocalJob(process.pid, gpu, process)
        self.running.append(started)
        return started

    def _environment(self, gpu: str | None) -> dict[str, str]:
        """This process's environment, and a run's share of the machine; what the user has set of the threads stays."""
        share = share_of(self.threads) if self.threads < self.cores else {}
        at_once = -(-self.slots // max(1, len(self.gpus)))
        # A run takes a GPU's memory as it needs it; with others beside it, on JAX no more than its part.
        if gpu is not None and at_once > 1 and EARLIER_FRACTION not in os.environ:
            share[FRACTION] = f"{USED_PART / at_once:.3f}"
        seen = "-1" if self.options.device == "cpu" else gpu
        return share | dict(os.environ) | ({} if seen is None else {VARIABLE: seen})

    def _free_gpu(self) -> str | None:
        """The GPU with the fewest runs; None without GPUs."""
        self.running = [job for job in self.running if job.state() != "ended"]
        runs = Counter(job.gpu for job in self.running)
        return min((gpu.name for gpu in self.gpus), key=lambda name: runs[name], default=None)

    def find(self, job: glueft.Job, id: str) -> LocalJob | None:  # noqa: A002
        """Find a process that goes on although the one that began it was killed."""
        mark, _, gpu = id.partition(" ")
        found = LocalJob(int(mark.partition("-")[0]), gpu or None, None, mark) if process_mark_is_alive(mark) else None
        if found is not None:
            self.running.append(found)
        return found

    def close(self) -> None:
        """Leave no zombie behind."""
        self._free_gpu()


class LocalJob:
    """A process on this machine.

    Args:
        pid: its number, and that of its session.
        gpu: the GPU that it was given.
        process: None where another process has begun it; nobody learns its exit code then.
        mark: what identifies it beyond its number; it is found where it is None.
    """

    def __init__(
        self, pid: int, gpu: str | None, process: subprocess.Popen[bytes] | None, mark: str | None = None
    ) -> None:
        self.pid = pid
        self.gpu = gpu
        self.process = process
        self.mark = process_mark(pid) if mark is None else mark

    @property
    def id(self) -> str:
        """The process, beyond its number, and its GPU."""
        return f"{self.mark} {self.gpu or ''}".strip()

    def state(self) -> Literal["running", "ended"]:
        """Whether it runs; a process that has ended is taken off the system's table."""
        alive = process_mark_is_alive(self.mark) if self.process is None else self.process.poll() is None
        return "running" if alive else "ended"

    def exit_code(self) -> int | None:
        """The process's own."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """Send SIGTERM to the process; what it has begun is its own to end."""
        if self.state() == "running":
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it has begun."""
        if self.state() == "ended":
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        until = time.monotonic() + KILL_SECONDS
        while self.state() == "running" and time.monotonic() < until:
            time.sleep(0.01)
