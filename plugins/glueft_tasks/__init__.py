"""First-party tasks, one file each; their samples lie beside them in `samples/`."""

from __future__ import annotations

import glueft
from glueft_tasks.mrpc import MRPC
from glueft_tasks.sst2 import SST2
from glueft_tasks.table import Table


@glueft.hookimpl
def glueft_tasks() -> list[type[glueft.Task]]:
    """The tasks of this package."""
    return [MRPC, SST2, Table]
