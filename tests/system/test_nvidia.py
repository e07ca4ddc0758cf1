"""NVIDIA's GPUs, by what nvidia-smi answers and what the driver shows."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_nvidia_smi import ANSWER, FIRST, SECOND, put_nvidia_smi
from glueft.system import nvidia
from glueft.system.nvidia import GPU, driver_version, failure, installed_gpus, visible_gpus

GB, GIB, MIB = 10**9, 2**30, 2**20
DIVIDED = f"""\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: {FIRST})
  MIG 1g.10gb     Device  0: (UUID: MIG-c6d4f1ef-0001)
  MIG 3g.40gb     Device  1: (UUID: MIG-c6d4f1ef-0002)
GPU 1: Tesla T4 (UUID: {SECOND})
"""
OLD_ANSWER = f"""\
0, {FIRST}, 81920, 80000, 470.82.01, NVIDIA H100 80GB HBM3
1, {SECOND}, 15360, 15000, 470.82.01, Tesla T4
"""
H100 = GPU(FIRST, 80 * GIB, "NVIDIA H100 80GB HBM3", (9, 0), "580.95.05", 81000 * MIB)
T4 = GPU(SECOND, None, "Tesla T4", (7, 5), "580.95.05")

PutNvidiaSMI = Callable[..., Path]


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutNvidiaSMI:
    """`put_nvidia_smi` into a folder that comes first on the path."""
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path / "driver")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return functools.partial(put_nvidia_smi, tmp_path)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's folder of a machine that has no nvidia-smi."""
    monkeypatch.setattr(nvidia, "PROGRAMS", ())
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path)
    return tmp_path


def test_gpus_are_found_by_nvidia_smi(nvidia_smi: PutNvidiaSMI) -> None:
    nvidia_smi()
    assert visible_gpus({}) == installed_gpus() == [H100, T4]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == [] and installed_gpus() == [H100, T4]
    assert failure() is None


def test_the_parts_of_a_divided_one(nvidia_smi: PutNvidiaSMI) -> None:
    nvidia_smi(ANSWER.replace("Disabled", "Enabled"), listed=DIVIDED)
    parts = [
        GPU(f"MIG-c6d4f1ef-000{number}", size * GB, H100.model, (9, 0), H100.driver)
        for number, size in ((1, 10), (2, 40))
    ]
    assert visible_gpus({}) == [*parts, T4]


def test_an_old_one_that_knows_no_compute_capability(nvidia_smi: PutNvidiaSMI) -> None:
    old = [
        GPU(FIRST, 80 * GIB, "NVIDIA H100 80GB HBM3", None, "470.82.01", 80000 * MIB),
        GPU(SECOND, 15 * GIB, "Tesla T4", None, "470.82.01", 15000 * MIB),
    ]
    nvidia_smi(OLD_ANSWER, fields=nvidia.OLD_FIELDS)
    assert visible_gpus({}) == old
    nvidia_smi(fields=("none",))  # it answers to -L alone
    assert visible_gpus({}) == [GPU(FIRST, None, "NVIDIA H100 80GB HBM3"), GPU(SECOND, None, "Tesla T4")]


def test_what_it_does_not_know_is_none(nvidia_smi: PutNvidiaSMI) -> None:
    nvidia_smi(f"0, {FIRST}, [Insufficient Permissions], [N/A], [N/A], [Unknown Error], Disabled, [N/A]\n")
    assert visible_gpus({}) == [GPU(FIRST, None)]
    nvidia_smi(ANSWER.replace("580.95.05", "580-open"))
    assert [gpu.driver for gpu in visible_gpus({})] == [None, None]


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("0", ["0"]), ("1, 0", ["1", "0"]), (SECOND, [SECOND]),
        ("MIG-c6d4f1ef-0002", ["MIG-c6d4f1ef-0002"]), ("MIG-GPU-5d5ba0d6-0001/1/0", ["MIG-GPU-5d5ba0d6-0001/1/0"]),
        ("", []), ("-1", []), ("NoDevFiles", []), ("0,-1,1", ["0"]), ("1,2,0", ["1"]), ("1,1", ["1"]),
    ],
)  # fmt: skip
def test_those_that_the_user_has_chosen(variable: str, names: list[str], nvidia_smi: PutNvidiaSMI) -> None:
    nvidia_smi(ANSWER.replace("Disabled", "Enabled"), listed=DIVIDED)
    assert [gpu.name for gpu in visible_gpus({"CUDA_VISIBLE_DEVICES": variable})] == names


def test_what_is_known_of_those_that_the_user_has_chosen(nvidia_smi: PutNvidiaSMI) -> None:
    nvidia_smi(ANSWER.replace("Disabled", "Enabled"), listed=DIVIDED)
    chosen = visible_gpus({"CUDA_VISIBLE_DEVICES": "0,MIG-c6d4f1ef-0002,GPU-unknown,1"})
    assert [gpu.memory for gpu in chosen] == [10 * GB, 40 * GB, 10 * GB, None]  # at least the smallest part
    assert [gpu.compute_capability for gpu in chosen] == [(9, 0), (9, 0), (7, 5), (7, 5)]
    assert [gpu.model for gpu in chosen] == [H100.model, H100.model, None, "Tesla T4"]


def test_a_machine_without_gpus(driver: Path) -> None:
    for variables in ({}, {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": FIRST}):
        assert visible_gpus(variables) == []
    assert driver_version() is None and failure() is None


@pytest.mark.parametrize(
    "told",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build  (dvs-builder@U16)\n",
    ],
)
def test_the_driver_tells_how_many_gpus_there_are_where_nvidia_smi_fails(
    told: str, driver: Path, nvidia_smi: PutNvidiaSMI, monkeypatch: pytest.MonkeyPatch
) -> None:
    (driver / "version").write_text(told)
    for address in ("0000:41:00.0", "0000:01:00.0"):
        (driver / "gpus" / address).mkdir(parents=True)
    (driver / "gpus/0000:01:00.0/information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   16\n")
    monkeypatch.setattr(nvidia, "DRIVER", driver)
    found = [GPU("0", None, "NVIDIA H100 80GB HBM3", None, "535.104.05"), GPU("1", None, None, None, "535.104.05")]
    assert visible_gpus({}) == found
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1,2"}) == found[1:]
    program = nvidia_smi()
    program.write_text("#!/bin/sh\necho 'Failed to initialize NVML:'\necho 'Insufficient Permissions'\nexit 4\n")
    monkeypatch.setattr(nvidia, "PROGRAMS", (str(program),))
    assert visible_gpus({}) == found
    assert failure() == "Failed to initialize NVML: Insufficient Permissions"


def test_a_driver_that_hangs_is_asked_once(nvidia_smi: PutNvidiaSMI, monkeypatch: pytest.MonkeyPatch) -> None:
    program = nvidia_smi()
    program.write_text(f"#!/bin/sh\necho asked >> {program.parent}/asked\nexec sleep 60\n")
    monkeypatch.setattr(nvidia, "SECONDS", 1.0)
    monkeypatch.setattr(nvidia, "_hangs", False)
    assert visible_gpus({}) == []
    assert failure() == "it does not answer in 1 s"
    assert (program.parent / "asked").read_text() == "asked\n"
