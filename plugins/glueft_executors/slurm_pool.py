"""A SLURM cluster's queue, by submitit and SLURM's own commands."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

import submitit

import glueft
from glueft.plugin.executor import JobState
from glueft.text import counted
from glueft_executors.node import Command
from glueft_executors.slurm import Slurm, minutes
from glueft_executors.slurm_task import EXIT, KILL, STOP, Task, told_exit

# The queue is asked at most this often, for all jobs at once, and the folder looked at for exit codes.
ASK_SECONDS = 5.0
LOOK_SECONDS = 1.0
# What the cluster refuses, though it would take such a job: the user has too many of them, or it does not answer.
AGAIN_SECONDS = 60.0
# Network file systems show a new file this late; within it a job that was cut off is put back into the queue.
FILE_SECONDS = 15.0
KILL_SECONDS = 45.0  # SLURM's KillWait, half a minute, and a little
COMMAND_SECONDS = 60.0
LOG_LINES = 20

WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
# Ended by the cluster or by its users; other ends are the job's own.
CUT_OFF = ("BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT")
OWN_ENDS = ("COMPLETED", "FAILED", "OUT_OF_MEMORY")

# What to do about what sbatch says.
FIXES = {
    "partition": "name one of the cluster's partitions in study.executor.partition; `sinfo` lists them",
    "account": "name an account of yours in study.executor.account; `sacctmgr show assoc user=$USER` lists them",
    "qos": "name a quality of service of yours in study.executor.qos",
    "(gres)": "set study.executor.gpus_per_run = 0, or name a partition with GPUs in study.executor.partition",
    "time limit": "ask for less in study.executor.time; a run that needs longer continues in the queue",
    "node configuration": "ask for less: study.executor has cpus_per_run, gpus_per_run and memory",
    "option": "correct study.executor.sbatch; `sbatch --help` lists the options",
    "configuration": "SLURM is not set up on this machine: run the study on a login node of the cluster",
    "controller": "look whether the cluster is up: `sinfo`",
    "no answer": "look whether the cluster is up: `sinfo`",
}


class SlurmPool:
    """The queue of a cluster.

    Args:
        options: of the executor.
        folder: of the study.
        say: takes a line for the user.
    """

    def __init__(self, options: Slurm.Options, folder: Path, say: Callable[[str], None]) -> None:
        self.options = options
        self.folder = folder / "executor" / "slurm"
        self.study = folder.name
        self.say = say
        self.unsubmitted: list[SlurmJob] = []
        self.queue: dict[str, str] = {}  # SLURM's word for the state of each job that it knows of
        self.exits: set[str] = set()  # the jobs that have told their exit code
        self.asked = self.looked = self.refused = float("-inf")

    @property
    def slots(self) -> int:
        """As many as the user allows; how many of them run is the cluster's to say."""
        return self.options.parallel

    def describe(self) -> str:
        """What each run asks for."""
        options = self.options
        cores = counted(options.cpus_per_run, "core")
        gpus = counted(options.gpus_per_run, "GPU") if options.gpus_per_run else "no GPU"
        where = f" of partition {options.partition}" if options.partition else ""
        return f"up to {counted(self.slots, 'run')} at once in SLURM's queue, each on {cores} and {gpus}{where}"

    def check(self) -> None:
        """Ask whether the cluster would take such a job.

        Raises:
            PluginError: it would not.
        """
        script = self._executor()._make_submission_file_text("true", "check")
        with _outside_of_a_job():
            done = _run("sbatch", "--test-only", stdin=script)
        if done.returncode == 0:
            return
        said = " ".join(done.stderr.split())
        fix = next(
            (fix for word, fix in FIXES.items() if word in said.lower()), "look at `sinfo`, and correct the table"
        )
        raise glueft.PluginError(
            "SLURM does not take jobs as [study.executor] has them",
            expected="what `sbatch --test-only` accepts",
            received=said or f"exit code {done.returncode} of sbatch",
            fix=fix,
        )

    def start(self, job: glueft.Job) -> SlurmJob:
        """Take a job. It is submitted at the next call of `state`, together with those that have come until then."""
        started = SlurmJob(self, job)
        self.unsubmitted.append(started)
        return started

    def submit(self) -> None:
        """Submit what has come, several jobs as one array; what the cluster does not take now, again in a minute."""
        if not self.unsubmitted or time.monotonic() - self.refused < AGAIN_SECONDS:
            return
        executor = self._executor()
        try:
            # What sbatch prints is in the error too.
            with _outside_of_a_job(), redirect_stderr(io.StringIO()), executor.batch():
                submitted = [executor.submit(job.task) for job in self.unsubmitted]
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            jobs = counted(len(self.unsubmitted), "job")
            self.say(f"SLURM does not take {jobs} now; again in a minute: {' '.join(str(error).split())}")
            self.refused = time.monotonic()
            return
        for job, its in zip(self.unsubmitted, submitted, strict=True):
            job.id = its.job_id
        self.unsubmitted.clear()
        self.asked = float("-inf")

    def _executor(self) -> submitit.SlurmExecutor:
        options = self.options
        self.folder.mkdir(parents=True, exist_ok=True)
        executor = submitit.SlurmExecutor(self.folder, max_num_timeout=options.requeues)
        asked: dict[str, Any] = {
            "partition": options.partition,
            "account": options.account,
            "qos": options.qos,
            "gpus_per_node": options.gpus_per_run or None,
            "mem": options.memory,
            "setup": list(options.setup) or None,
        }
        executor.update_parameters(
            **{name: value for name, value in asked.items() if value is not None},
            job_name=f"glueft-{self.study}",
            time=minutes(options.time),
            cpus_per_task=options.cpus_per_run,
            srun_args=[
                f"--cpus-per-task={options.cpus_per_run}"
            ],  # since SLURM 22.05 srun does not take it from sbatch
            signal_delay_s=options.save_seconds,
            wckey=None,
            additional_parameters={"requeue": True, **(options.sbatch or {})},
        )
        return executor

    def find(self, job: glueft.Job, id: str) -> SlurmJob | None:  # noqa: A002
        """Find a job in the queue, or one that has ended since."""
        self._ask()
        known = id in self.queue or told_exit(self.folder, id) is not None
        return SlurmJob(self, job, id) if known else None

    def close(self) -> None:
        """Leave the queue alone: what was not submitted by now is not wanted any more."""

    def look(self, longest: float | None = None) -> None:
        """Learn what has changed, unless that was asked less than `longest` seconds ago."""
        now = time.monotonic()
        if now - self.looked >= LOOK_SECONDS:
            with suppress(OSError):
                names = os.listdir(self.folder)  # noqa: PTH208  it also makes NFS show new files
                self.exits = {name.removesuffix(EXIT) for name in names if name.endswith(EXIT)}
            self.looked = now
        if now - self.asked >= (ASK_SECONDS if longest is None else longest):
            self._ask()

    def _ask(self) -> None:
        done = _run("squeue", "--noheader", "--array", "--me", "--states=all", "--format=%i %T")
        if done.returncode == 0:  # else the cluster is busy: what it said last is taken to hold
            lines = [line.split() for line in done.stdout.splitlines()]
            self.queue = {line[0]: line[1] for line in lines if len(line) == 2}
        self.asked = time.monotonic()


class SlurmJob:
    """A job in the queue.

    Args:
        pool: the queue.
        job: of the study.
        id: of the job, such as "4211_3"; None until it is submitted.
    """

    def __init__(self, pool: SlurmPool, job: glueft.Job, id: str | None = None) -> None:  # noqa: A002
        self.task = Task(Command.of(job, pool.options.cpus_per_run), pool.folder)
        self.id = id
        self._pool = pool
        self._log = job.folder / "log.txt"
        self._ended = False
        self._code: int | None = None
        self._is_stopped = False
        self._gone: float | None = None  # since when SLURM says that it has ended, without an exit code

    def state(self) -> JobState:
        """By the exit code that it has told, else by what SLURM says."""
        if self._ended:
            return "ended"
        if self.id is None:
            self._pool.submit()
            return "waiting"
        self._pool.look()
        if self.id in self._pool.exits:
            self._end(told_exit(self._pool.folder, self.id))
            return "ended"
        word = self._pool.queue.get(self.id, "")
        if word in WAITING:
            self._gone = None
            if self._is_stopped:  # it was put back into the queue
                self._cancel()
            return "waiting"
        if word and word not in CUT_OFF + OWN_ENDS:
            self._gone = None
            return "running"
        self._gone = self._gone or time.monotonic()
        taken_off = self._is_stopped and word in ("", "CANCELLED")
        if not taken_off and time.monotonic() - self._gone < FILE_SECONDS:
            return "running"
        if word in OWN_ENDS and not self._is_stopped:
            self._end(1)
            self._explain()
        else:  # SLURM preempts with SIGTERM
            self._end(128 + signal.SIGTERM if word == "PREEMPTED" else None)
        return "ended"

    def _end(self, code: int | None) -> None:
        self._ended, self._code = True, code

    def _explain(self) -> None:
        """Add to the log why a job has ended before its command, such as that a line of `setup` has failed."""
        printed = self._pool.folder / f"{self.id}_0_log.err"
        with suppress(OSError), self._log.open("a", encoding="utf-8") as log:
            lines = printed.read_text(encoding="utf-8", errors="replace").splitlines() if printed.exists() else []
            log.write("\n".join([f"The SLURM job {self.id} has failed; from {printed}:", *lines[-LOG_LINES:], ""]))

    def exit_code(self) -> int | None:
        """The command's own; 1 where the job has failed without it; None where it was cut off or cancelled."""
        return self._code

    def stop(self) -> None:
        """Take it off the queue, or send its command SIGTERM, with as much time to save its state as it needs."""
        if self.id is None:
            self._pool.unsubmitted.remove(self)
            self._end(None)
        elif not self._ended:
            self._is_stopped = True
            with suppress(OSError):
                (self._pool.folder / f"{self.id}{STOP}").touch()
            self._pool.look(LOOK_SECONDS)
            if self._pool.queue.get(self.id, "PENDING") in WAITING:
                self._cancel()
            else:
                self._cancel(f"--signal={signal.SIGTERM.name}")

    def _cancel(self, *arguments: str) -> None:
        """Cancel it, or send its command a signal. Where a job runs, SLURM has half a minute's patience (KillWait)."""
        # Not with --state: of an array of which nothing has begun, that would cancel all (22.05).
        _run("scancel", *arguments, str(self.id))
        self._pool.asked = float("-inf")

    def kill(self) -> None:
        """Take it off the queue, or have its command killed; cancel the job where that does not help."""
        self.stop()
        for arguments in ((f"--signal={KILL.name}",), ()):
            if not self._ended:
                self._cancel(*arguments)
            until = time.monotonic() + KILL_SECONDS
            while self.state() != "ended" and time.monotonic() < until:
                time.sleep(0.2)


def _run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of SLURM's."""
    try:
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, errors="replace", timeout=COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired:
        told = f"no answer within {COMMAND_SECONDS:g} s"
        return subprocess.CompletedProcess(command, 128 + signal.SIGTERM, "", f"{command[0]}: {told}")


@contextmanager
def _outside_of_a_job() -> Iterator[None]:
    """Hide the variables of the SLURM job in which the study itself may run, or its jobs would inherit its limits."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    settings = {name: text for name, text in os.environ.items() if name == "SLURM_CONF" or name.startswith("SBATCH_")}
    with submitit.helpers.clean_env():
        os.environ.update(settings)
        yield
