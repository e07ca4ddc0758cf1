"""The runs of a study as jobs of a SLURM cluster."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pydantic

import glueft
from glueft_executors.extras import require

if TYPE_CHECKING:
    from glueft_executors.slurm_pool import SlurmPool

# As sbatch takes a time limit: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S.
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::([0-5]?\d))?(?::([0-5]?\d))?")


def minutes(time: str) -> int:
    """Return the whole minutes of a time limit in one of SLURM's forms, such as "90", "1:30:00" or "2-12".

    Raises:
        ValueError: it is of another form, or less than a minute.
    """
    found = _TIME.fullmatch(time.strip())
    if not found:
        raise ValueError('must be a time limit as sbatch takes it: "90" (minutes), "4:00:00" or "2-12:00" (days-hours)')
    days, first, second, third = found.groups()
    parts = [int(part) for part in (first, second, third) if part is not None]
    if days is not None:
        hours, mins, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, mins, seconds = parts
    else:
        hours, mins, seconds = 0, *[*parts, 0][:2]
    whole = (int(days or 0) * 24 + hours) * 60 + mins + (seconds > 0)
    if whole < 1:
        raise ValueError("must be at least a minute")
    return whole


def _time(text: str) -> str:
    minutes(text)
    return text


class Slurm(glueft.Executor):
    """Runs as jobs of a SLURM cluster, submitted with submitit; started on a login node.

    Runs that can begin at the same time are submitted as one array job. A run whose time is up saves its state, goes
    back into the queue and continues; so does one that is preempted, or whose node is lost. The study waits for its
    jobs. Ctrl-C stops them, with their states saved; if the study is killed, they go on, and the next one finds them.

    The study folder, Python and the data must be on file systems that all nodes see. What jobs print before a run
    begins is in `executor/slurm` of the study folder.

    Needs the package submitit (`pip install 'glueft[slurm]'`).
    """

    name = "slurm"

    class Options(glueft.Options):
        """What each run asks of the cluster."""

        parallel: int = glueft.Field(
            32, ge=1, le=1000, description="How many runs are in the queue or running at once."
        )
        partition: str | None = glueft.Field(None, description="Where to; the cluster's default if left out.")
        account: str | None = glueft.Field(None, description="Which account pays.")
        qos: str | None = glueft.Field(None, description="Quality of service.")
        time: Annotated[str, pydantic.AfterValidator(_time)] = glueft.Field(
            "2:00:00",
            description='Time limit of a job, as sbatch takes it: "90" (minutes), "4:00:00", "1-12". '
            "A run that needs longer continues in the queue.",
        )
        gpus_per_run: int = glueft.Field(0, ge=0, description="GPUs of a run.")
        cpus_per_run: int = glueft.Field(2, ge=1, description="Processors of a run.")
        memory: float | None = glueft.Field(
            None, gt=0, description="GB of memory of a run; the cluster's default if left out."
        )
        setup: tuple[str, ...] = glueft.Field(
            (), description='Lines of shell before each run, such as "module load cuda/12.4".'
        )
        requeues: int = glueft.Field(20, ge=0, description="How often a run whose time is up goes back into the queue.")
        save_seconds: int = glueft.Field(
            120, ge=1, description="How long before the time limit a run is told to save its state."
        )
        sbatch: dict[str, str | int | bool] | None = glueft.Field(
            None, description='Other options of sbatch without their "--", such as { constraint = "a100" }.'
        )

    def open(self, folder: Path, say: Callable[[str], None], *, jobs: int | None = None) -> SlurmPool:
        """Ask the cluster whether it would take such a job.

        Raises:
            PluginError: submitit or SLURM's commands are missing, or the cluster refuses.
        """
        require("submitit", executor=self.name)
        for program in ("sbatch", "squeue", "scancel", "srun"):
            if shutil.which(program) is None:
                raise glueft.PluginError(
                    f'the executor "slurm" finds no {program}',
                    expected="a machine from which SLURM jobs are submitted, such as the login node of a cluster",
                    received=f"no program {program} in PATH",
                    fix='run the study on a login node, or set study.executor.plugin = "local"',
                )
        from glueft_executors.slurm_pool import SlurmPool

        pool = SlurmPool(self.options, folder, say)
        pool.check()
        return pool
