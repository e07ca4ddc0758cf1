"""First-party tasks, one file each; their samples lie beside them in `samples/`."""

from __future__ import annotations

import glueft
from glueft_tasks.ax import AX
from glueft_tasks.cola import CoLA
from glueft_tasks.mnli import MNLI
from glueft_tasks.mrpc import MRPC
from glueft_tasks.qnli import QNLI
from glueft_tasks.qqp import QQP
from glueft_tasks.rte import RTE
from glueft_tasks.sst2 import SST2
from glueft_tasks.stsb import STSB
from glueft_tasks.table import Table
from glueft_tasks.wnli import WNLI


@glueft.hookimpl
def glueft_tasks() -> list[type[glueft.Task]]:
    """The tasks of this package."""
    return [CoLA, SST2, MRPC, STSB, QQP, MNLI, QNLI, RTE, WNLI, AX, Table]
