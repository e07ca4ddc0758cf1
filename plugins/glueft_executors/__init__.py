"""First-party executors: where the runs of a study are run, one file each."""

from __future__ import annotations

import glueft
from glueft_executors.local import Local
from glueft_executors.ray import Ray
from glueft_executors.slurm import Slurm


@glueft.hookimpl
def glueft_executors() -> list[type[glueft.Executor]]:
    """The executors of this package."""
    return [Local, Ray, Slurm]
