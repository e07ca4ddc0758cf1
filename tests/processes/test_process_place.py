"""Where a process stands: by its options, SLURM or Open MPI; a run in one process stays one."""

from __future__ import annotations

from typing import Any

import pytest

from glueft.processes.place import Place, ProcessesError, find_place
from glueft.training.in_processes import refuse_other_backends

STEP = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "node[007-008,011],big1",
    "SLURM_NTASKS": "7",
    "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}
MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}


def test_by_the_options() -> None:
    place = find_place("[::1]:7777", 4, 3, {})
    assert place == Place(3, 4, "[::1]:7777")
    assert (place.host, place.port) == ("::1", 7777)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        STEP | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"},  # a job of a study
        {name: text for name, text in STEP.items() if "STEP" not in name},  # a script of sbatch
        MPI | {"OMPI_COMM_WORLD_SIZE": "1"},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
    ],
    ids=["nothing", "one task", "sbatch", "mpirun -n 1", "pod"],
)
def test_alone(environment: dict[str, str]) -> None:
    assert find_place(None, None, None, environment) is None


def test_the_option_of_one_process_counts_whatever_started_it() -> None:
    assert find_place(None, 1, None, STEP) is None


def test_by_slurm() -> None:
    place = find_place(None, None, None, STEP)
    assert place is not None
    assert (place.process, place.processes, place.host, place.known_from) == (3, 7, "node007", "SLURM")
    assert place.local == (1, 2)
    other = find_place(None, None, None, STEP | {"SLURM_STEP_ID": "1"})
    assert other is not None and other.port != place.port  # two steps of a job may run at once
    assert place.port in range(61440, 65536)


@pytest.mark.parametrize(
    ("nodes", "host"), [("n1", "n1"), ("n1,n2", "n1"), ("gpu-[03,05]", "gpu-03"), ("r[1-2]n[3-4],x", "r1n3")]
)
def test_the_first_node(nodes: str, host: str) -> None:
    place = find_place(None, None, None, STEP | {"SLURM_STEP_NODELIST": nodes})
    assert place is not None and place.host == host


def test_by_open_mpi() -> None:
    with_address = MPI | {"OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911"}
    place = find_place(None, None, None, with_address)
    assert place is not None
    assert (place.process, place.processes, place.host, place.local) == (3, 4, "10.96.0.1", (1, 2))
    on_one_machine = find_place(None, None, None, MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "4"})
    assert on_one_machine is not None and on_one_machine.host == "127.0.0.1"
    helped = find_place("node1:7777", None, None, MPI)
    assert helped == Place(3, 4, "node1:7777", "Open MPI", (1, 2))


@pytest.mark.parametrize(
    ("local", "visible", "own"),
    [
        (None, 8, None),
        ((0, 1), 8, None),
        ((3, 4), 4, [3]),
        ((1, 2), 8, [4, 5, 6, 7]),
        ((3, 4), 1, None),  # srun has shown each its own
        ((0, 4), 0, None),
    ],
)
def test_the_gpus_of_a_machine_are_shared_out(
    local: tuple[int, int] | None, visible: int, own: list[int] | None
) -> None:
    assert Place(0, 8, "a:1", local=local).own_gpus(visible) == own


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (("a:1", None, None), {}, "no --processes and no --process"),
        ((None, 2, 1), {}, "no --coordinator"),
        (("a", 2, 1), {}, "--coordinator cannot be used"),
        (("a:99999", 2, 1), {}, "--coordinator cannot be used"),
        (("http://a:80", 2, 1), {}, "--coordinator cannot be used"),
        (("a:1", 0, 0), {}, "--processes cannot be used"),
        (("a:1", 2, 2), {}, "a number from 0 to 1"),
        (("a:1", 2, -1), {}, "--process cannot be used"),
        ((None, None, None), MPI, "Open MPI does not say it"),
    ],
)
def test_what_is_wrong_is_said(options: tuple[Any, ...], environment: dict[str, str], words: str) -> None:
    with pytest.raises(ProcessesError) as raised:
        find_place(*options, environment)
    assert words in str(raised.value)


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_backend_that_does_not_train_in_several_processes_is_refused(backend: str) -> None:
    place = find_place(None, None, None, STEP)
    assert place is not None
    refuse_other_backends("jax", place)
    with pytest.raises(ProcessesError) as raised:
        refuse_other_backends(backend, place)
    told = str(raised.value)
    assert f'"{backend}", in process 3 of 7, by SLURM' in told
    assert "--backend jax" in told and "--processes 1 runs this process alone" in told
