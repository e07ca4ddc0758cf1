"""A SLURM cluster of one node on this machine, by Debian's slurm-wlm, in a folder of its own."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ports import keep_port

SECONDS = 20.0

# No accounting, no authentication, no control groups: what a test may have. A job that is put back into the queue may
# begin again after `cred_expire` seconds.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmctldPort={port_of_controller}
SlurmdPort={port_of_node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[str]:
    """Give the path of its configuration, for SLURM_CONF; the test is skipped where it cannot be had."""
    for program in ("slurmctld", "slurmd", "sbatch", "srun"):
        if shutil.which(program) is None:
            pytest.skip(f"needs SLURM on this machine (apt-get install slurm-wlm): there is no {program}")
    if os.geteuid() != 0:
        pytest.skip("needs root, as SLURM's own processes do here")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    file = folder / "slurm.conf"
    file.write_text(
        CONFIGURATION.format(
            host=platform.node().partition(".")[0],
            user="root",
            port_of_controller=keep_port(),
            port_of_node=keep_port(),
            folder=folder,
            processors=len(os.sched_getaffinity(0)),
        )
    )
    environment = os.environ | {"SLURM_CONF": str(file)}
    with ExitStack() as running:
        for program in ("slurmctld", "slurmd"):
            log = running.enter_context((folder / f"{program}.out").open("wb"))
            process = subprocess.Popen([program, "-D"], env=environment, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
        until = time.monotonic() + SECONDS
        while "idle" not in (said := _sinfo(environment)):
            if time.monotonic() > until:
                logs = "\n".join(path.read_text(errors="replace")[-500:] for path in sorted(folder.glob("*.log")))
                pytest.skip(f"SLURM does not start on this machine: {said}\n{logs}")
            time.sleep(0.1)
        yield str(file)
        subprocess.run(["scancel", "--signal=KILL", "--me"], env=environment, timeout=SECONDS, check=False)
        subprocess.run(["scancel", "--me"], env=environment, timeout=SECONDS, check=False)


def _sinfo(environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    return done.stdout + done.stderr
