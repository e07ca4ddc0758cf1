"""The place of this process among those of a run: by the options of a command, SLURM, Open MPI or Kubernetes."""

from __future__ import annotations

import importlib.util
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from glueft.errors import GlueftError

# Ports that are derived from the number of a job: JAX takes them from here, too.
_FIRST_PORT, _PORTS = 61440, 4096

HOW_ALONE = "--processes 1 runs this process alone, whatever has started it"


class ProcessesError(GlueftError):
    """The processes of a run have not found each other, are not of one mind, or one of them is gone."""


@dataclass(frozen=True)
class Place:
    """The place of a process.

    Attributes:
        process: its number, from 0.
        processes: how many there are.
        coordinator: `HOST:PORT`, where process 0 listens and the others find it.
        known_from: what said so, such as "SLURM".
        local: its number among those of its machine, and how many these are; None where nothing says it.
        doing: the command that they all run.
    """

    process: int
    processes: int
    coordinator: str
    known_from: str = "the options"
    local: tuple[int, int] | None = None
    doing: str = "run"

    @property
    def host(self) -> str:
        """Where process 0 is, without the brackets of an IPv6 address."""
        return self.coordinator.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Where process 0 listens."""
        return int(self.coordinator.rpartition(":")[2])

    def own_gpus(self, visible: int) -> list[int] | None:
        """Return the numbers of the GPUs of this process, of those that it sees; None for all.

        Where a launcher has started several on a machine and each sees all GPUs, they are shared out.
        """
        if self.local is None:
            return None
        number, count = self.local
        each = visible // count
        return None if count == 1 or each == 0 else list(range(number * each, (number + 1) * each))


def find_place(
    coordinator: str | None, processes: int | None, process: int | None, environment: Mapping[str, str]
) -> Place | None:
    """Return the place of this process; None where it is alone.

    Args:
        coordinator, processes, process: the options of the command; each that is None is asked of the launcher.
        environment: the variables of the process.

    Raises:
        ProcessesError: an option is wrong, or more are needed.
    """
    if processes == 1:
        return None
    given = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    if coordinator is not None and processes is not None and process is not None:
        return _checked(Place(process, processes, coordinator))
    found = next((place for find in _LAUNCHERS if (place := find(environment)) is not None), None)
    if found is not None:
        return _checked(
            replace(
                found,
                coordinator=coordinator or found.coordinator,
                processes=found.processes if processes is None else processes,
                process=found.process if process is None else process,
            )
        )
    if set(given.values()) != {None}:
        raise _lacking(given)
    return None


def _lacking(given: Mapping[str, Any]) -> ProcessesError:
    missing = [name for name, value in given.items() if value is None]
    return ProcessesError(
        "not all is said that a run in several processes needs",
        expected="--coordinator HOST:PORT --processes N --process I, with I from 0 to N - 1; or a launcher that says "
        "them: srun, mpirun, or an indexed Job of Kubernetes",
        received=f"no {' and no '.join(missing)}",
        fix=f"add {' and '.join(missing)}; leave all three out for a run in one process",
    )


def _checked(place: Place) -> Place:
    host, _, port = place.coordinator.rpartition(":")
    wrong = None
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        wrong = "--coordinator", "HOST:PORT, such as 10.0.0.1:7777 or node001:7777: where process 0 listens"
    elif place.processes < 1:
        wrong = "--processes", "how many processes there are, 1 or more"
    elif not 0 <= place.process < place.processes:
        wrong = "--process", f"a number from 0 to {place.processes - 1}, another one for each process"
    if wrong is None:
        return place
    option, expected = wrong
    received = {"--coordinator": place.coordinator, "--processes": place.processes, "--process": place.process}[option]
    raise ProcessesError(
        f"{option} cannot be used",
        expected=expected,
        received=f"{received}, by {place.known_from}" if received != "" else f"{place.known_from} does not say it",
        fix=f"give another {option}",
    )


def _slurm(environment: Mapping[str, str]) -> Place | None:
    """Of a step that `srun` has started; its variables are in srun(1), "OUTPUT ENVIRONMENT VARIABLES".

    A script of sbatch has no step's variables: what it starts itself is alone.
    """
    count = _number(environment, "SLURM_STEP_NUM_TASKS") or _number(environment, "SLURM_NTASKS")
    nodes, process = environment.get("SLURM_STEP_NODELIST"), _number(environment, "SLURM_PROCID")
    if nodes is None or process is None or count is None or count < 2:
        return None
    # Two steps of a job may run at once.
    job, step = (_number(environment, f"SLURM_{name}_ID") or 0 for name in ("JOB", "STEP"))
    host = re.sub(r"\[(\d+)[^\]]*\]", r"\1", _first_of(nodes))
    return Place(process, count, f"{host}:{_port(job * 31 + step)}", "SLURM", _slurm_local(environment))


def _first_of(nodes: str) -> str:
    """The first of a list of nodes, `a[001-003,007],b`, as an expression of one or more: `a[001-003,007]`."""
    return re.split(r",(?![^\[]*\])", nodes)[0]


def _slurm_local(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """By SLURM_STEP_TASKS_PER_NODE, such as `2(x3),1`: of three nodes two each, then of one node one."""
    number, node = _number(environment, "SLURM_LOCALID"), _number(environment, "SLURM_NODEID")
    counts: list[int] = []
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        counts += [int(found[1])] * int(found[2] or 1) if found else []
    return None if number is None or node is None or node >= len(counts) else (number, counts[node])


def _open_mpi(environment: Mapping[str, str]) -> Place | None:
    """Of `mpirun`; the address of the machine that has it is told by Open MPI 4 and earlier alone."""
    process, count = _number(environment, "OMPI_COMM_WORLD_RANK"), _number(environment, "OMPI_COMM_WORLD_SIZE")
    if process is None or count is None or count < 2:
        return None
    number, here = (_number(environment, f"OMPI_COMM_WORLD_LOCAL_{name}") for name in ("RANK", "SIZE"))
    local = None if number is None or here is None else (number, here)
    uri = environment.get("OMPI_MCA_orte_hnp_uri", "")
    told = re.search(r"tcp://([^,:]+)|tcp6://\[([^,\]]+)", uri)
    host = "127.0.0.1" if here == count else (told[1] or f"[{told[2]}]") if told else ""
    job = uri.partition(";")[0] or environment.get("PMIX_NAMESPACE", "")
    return Place(process, count, f"{host}:{_port(zlib.crc32(job.encode()))}" if host else "", "Open MPI", local)


def _kubernetes(environment: Mapping[str, str]) -> Place | None:
    """Of an indexed Job, as `jax.distributed` finds it: with the package `kubernetes`, which asks the cluster."""
    process = _number(environment, "JOB_COMPLETION_INDEX")
    if "KUBERNETES_SERVICE_HOST" not in environment or process is None:
        return None
    if importlib.util.find_spec("kubernetes") is None or importlib.util.find_spec("jax") is None:
        return None
    try:
        from jax._src.clusters import K8sCluster  # what `jax.distributed.initialize` asks; it has no public name

        if not K8sCluster.is_env_present():
            return None
        count = int(K8sCluster.get_process_count() or 1)
        if count < 2:
            return None
        address = K8sCluster.get_coordinator_address(60, None)
    except Exception as error:
        raise ProcessesError(
            "Kubernetes does not say where the other processes are",
            expected="an indexed Job with a headless service, whose account may read pods, jobs and services",
            received=(str(error).strip().splitlines() or [type(error).__name__])[0],
            fix=f"give --coordinator HOST:PORT --processes N --process I; {HOW_ALONE}",
        ) from error
    return Place(process, count, address, "Kubernetes")


_LAUNCHERS: tuple[Callable[[Mapping[str, str]], Place | None], ...] = (_open_mpi, _slurm, _kubernetes)


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else None


def _port(job: int) -> int:
    return _FIRST_PORT + job % _PORTS
