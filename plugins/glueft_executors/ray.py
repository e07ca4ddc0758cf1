"""The runs of a study as tasks of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import glueft
from glueft_executors.extras import require

if TYPE_CHECKING:
    from glueft_executors.ray_pool import RayPool


class Ray(glueft.Executor):
    """Runs as tasks of a Ray cluster that is there already, such as one that was begun with `ray start`.

    Each run takes its share of what the nodes have: `cpus_per_run`, `gpus_per_run` (0.5 has two runs share a GPU),
    `memory` and `resources` of your own. A run whose node is lost continues on another one with what it has saved.
    If the study is stopped, so are its runs, with their states saved; if it is killed, they are killed too, and go on
    from the states that they saved last.

    The study folder, Python and the data must be on file systems that all nodes see.

    Needs the package ray (`pip install 'glueft[ray]'`), of the cluster's version.
    """

    name = "ray"

    class Options(glueft.Options):
        """Where the cluster is, and what each run asks of it."""

        parallel: Annotated[int, glueft.Field(ge=1)] | Literal["auto"] = glueft.Field(
            "auto", description='How many runs at once; "auto": as many as the nodes have room for.'
        )
        address: str = glueft.Field(
            "auto",
            min_length=1,
            description='Of the cluster, "HOST:6379"; "auto" for RAY_ADDRESS, or else the cluster of this machine.',
        )
        cpus_per_run: int = glueft.Field(1, ge=1, description="Processors of a run.")
        gpus_per_run: float = glueft.Field(0.0, ge=0, description="GPUs of a run; less than 1 for a part of one.")
        memory: float | None = glueft.Field(None, gt=0, description="GB of memory to set aside for a run.")
        resources: dict[str, float] | None = glueft.Field(
            None, description="What else a node must have, such as { fast_disk = 1 }, as it was begun with."
        )
        retries: int = glueft.Field(
            3, ge=0, description="How often a run whose node or process is lost is begun again."
        )

    def open(self, folder: Path, say: Callable[[str], None], *, jobs: int | None = None) -> RayPool:
        """Connect to the cluster.

        Raises:
            PluginError: Ray is missing, the cluster cannot be reached, or no node has what a run asks for.
        """
        require("ray", executor=self.name)
        from glueft_executors.ray_pool import RayPool, connect

        ours = connect(self.options.address, folder)
        pool = RayPool(self.options, folder, jobs, ours=ours)
        try:
            pool.check()
        except glueft.PluginError:
            pool.close()
            raise
        return pool
