"""What `glueft env` finds wrong, by the facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from glueft.environment.backend_process import Answer
from glueft.environment.facts import Engine, Facts, Processor
from glueft.environment.findings import Finding, findings
from glueft.environment.folders import Folder
from glueft.environment.packages import Misfit
from glueft.environment.report import COLUMNS, as_json, report_lines
from glueft.hub.client import Reach
from glueft.system.nvidia import GPU
from glueft.training.keras_file import KerasFile

GIB = 2**30
H100 = GPU("GPU-1", 80 * GIB, "NVIDIA H100 80GB HBM3", (9, 0), "580.95.05", 79 * GIB)
SEEN = {"kind": "gpu", "model": "NVIDIA H100 80GB HBM3", "memory": 60 * GIB, "compute_capability": "9.0"}
CPU = {"kind": "cpu", "model": None, "memory": None, "compute_capability": None}
WELL = Facts(
    glueft="1.0",
    python="3.12.3",
    executable="/usr/bin/python3",
    system="Linux-6.8",
    processor=Processor("AMD EPYC", "x86_64", 16, 64, 128 * GIB, 100 * GIB, "AVX512-BF16"),
    accelerators={"NVIDIA GPU": 1},
    gpus=[H100],
    installed_gpus=[H100],
    driver="580.95.05",
    nvidia_smi=None,
    setting="auto",
    engine=Engine("jax", "an NVIDIA GPU is visible", "mixed_bfloat16", "it is fast"),
    cuda={"tensorflow": 12, "jax": 13},
    with_cuda=("jax",),
    backend=Answer("jax", "0.10.2", [SEEN], 7.25),
    packages={"glueft": "1.0", "tensorflow": "2.21.0", "jax": "0.10.2", "jaxlib": "0.10.2"},
    misfits=[],
    plugins={"glueft 1.0": 56},
    plugin_failures=[],
    hub=Reach("https://huggingface.co", True, "HTTP 200", None),
    folders=[Folder("hub cache", "/home/ada/.cache/huggingface/hub", 5 * GIB, True, 90 * GIB, True)],
    keras_file=KerasFile("/home/ada/.keras/keras.json", {"floatx": "float32", "epsilon": 1e-7, "backend": "jax"}),
    variables={},
)
BLIND: dict[str, Any] = {"backend": Answer("jax", "0.10.2", [CPU], 2.0)}
NO_GPU: dict[str, Any] = {"gpus": [], "installed_gpus": [], "driver": None, **BLIND}
OLD = GPU("GPU-1", 16 * GIB, "Tesla P100", (6, 0), "580.95.05")
JAX_CUDA, TF_CUDA = "pip install 'glueft[jax-cuda]'", "pip install 'glueft[cuda]'"
CUDA_12 = "take JAX for CUDA 12: pip uninstall jax-cuda13-plugin jax-cuda13-pjrt; pip install 'jax[cuda12]'"


def found(**changed: Any) -> list[tuple[str, str, str]]:
    return [(one.name, one.problem, one.fix) for one in findings(replace(WELL, **changed))]


def test_where_all_is_well() -> None:
    assert found() == []
    assert found(backend=None) == []
    # A machine without a GPU, one that is asked for nothing, and one with another maker's.
    assert found(**NO_GPU, accelerators={}, cuda={"tensorflow": 12, "jax": None}, with_cuda=()) == []
    assert found(**NO_GPU, accelerators={"AMD GPU": 1}) == []
    assert found(hub=Reach("https://huggingface.co", None, "HF_HUB_OFFLINE=1 is set", None), keras_file=None) == []


@pytest.mark.parametrize(
    ("changed", "problem", "fix"),
    [
        (
            {"engine": Engine(None, "no backend is installed", fix="install one"), "backend": None},
            "no backend is installed",
            "install one",
        ),
        (
            {"engine": Engine("numpy", "KERAS_BACKEND says so"), "gpus": [], "installed_gpus": [], "accelerators": {}},
            '"numpy" is a backend of Keras that does not train',
            "unset KERAS_BACKEND, or name tensorflow, jax or torch",
        ),
        (
            {
                "backend": Answer("jax", None, [], 0.3, "ImportError: libcudart.so.13"),
                "variables": {"XLA_FLAGS": "--x"},
            },
            "JAX cannot be used: ImportError: libcudart.so.13",
            "unset XLA_FLAGS if it is not needed; or import it by hand to see more: python -c 'import jax'",
        ),
        (
            {"backend": Answer("jax", None, [], 60.0, "it does not answer in 60 s")},
            "JAX cannot be used: it does not answer in 60 s",
            "look whether `nvidia-smi` answers: a driver that hangs needs a restart of the machine; or import it by "
            "hand to see more: python -c 'import jax'",
        ),
        (
            {**NO_GPU, "nvidia_smi": "Failed to initialize NVML: Driver/library version mismatch"},
            "nvidia-smi fails: Failed to initialize NVML: Driver/library version mismatch",
            "restart the machine if its driver hangs or was updated, or install the driver; a container is started "
            "with `docker run --gpus all`, a SLURM job with --gpus=1",
        ),
        (
            {**NO_GPU, "accelerators": {"NVIDIA GPU": 2}},
            "2 NVIDIA GPUs are in this machine, and no driver shows them to this process",
            "install NVIDIA's driver; a container is started with `docker run --gpus all`, a SLURM job with --gpus=1",
        ),
        (
            {"gpus": [], **BLIND, "variables": {"CUDA_VISIBLE_DEVICES": "-1"}},
            'CUDA_VISIBLE_DEVICES="-1" hides all GPUs (1 GPU installed)',
            "unset CUDA_VISIBLE_DEVICES, unless the processor is to be used",
        ),
        (
            {"driver": "550.54.15", **BLIND},
            "NVIDIA's driver 550.54.15 is too old for CUDA 13, which JAX is installed for",
            f"update the driver to 580 or newer, or {CUDA_12}",
        ),
        (
            {"driver": "470.82.01", "backend": None},
            "NVIDIA's driver 470.82.01 is too old for CUDA 13, which JAX is installed for",
            "update the driver to 580 or newer",
        ),
        (
            {"driver": "470.82.01", "engine": Engine("tensorflow", ""), "backend": None, "with_cuda": ("tensorflow",)},
            "NVIDIA's driver 470.82.01 is too old for CUDA 12, which TensorFlow is installed for",
            "update the driver to 525 or newer",
        ),
        (
            {"gpus": [OLD], **BLIND},
            "Tesla P100 has the compute capability 6.0, and JAX for CUDA 13 needs 7.5",
            CUDA_12,
        ),
        (
            {"gpus": [replace(OLD, model=None, compute_capability=(3, 7))], "backend": None},
            "the GPU has the compute capability 3.7, and JAX for CUDA 13 needs 7.5",
            "use the processor: CUDA_VISIBLE_DEVICES=-1",
        ),
        (
            {"variables": {"JAX_PLATFORMS": "cpu"}, **BLIND},
            'JAX_PLATFORMS="cpu" keeps JAX from the GPU',
            "unset JAX_PLATFORMS",
        ),
        (
            {"variables": {"JAX_PLATFORMS": "cpu"}, "engine": Engine("tensorflow", ""), "with_cuda": (), **BLIND},
            'JAX_PLATFORMS="cpu" keeps JAX from the GPU',
            "unset JAX_PLATFORMS",
        ),
        (
            {"engine": Engine("tensorflow", ""), "backend": None, "setting": "tensorflow"},
            "TensorFlow lacks libraries of CUDA, and NVIDIA H100 80GB HBM3 is not used",
            "take JAX, which is installed with CUDA: add --backend jax",
        ),
        (
            {"engine": Engine("torch", ""), "backend": None, "variables": {"KERAS_BACKEND": "torch"}},
            "PyTorch is installed for the processor alone, and NVIDIA H100 80GB HBM3 is not used",
            "take JAX, which is installed with CUDA: unset KERAS_BACKEND, or add --backend jax",
        ),
        (
            {"cuda": {"jax": None}, "with_cuda": (), "system": "Windows-11-10.0", **BLIND},
            "JAX is installed for the processor alone, and NVIDIA H100 80GB HBM3 is not used",
            "run glueft in WSL 2: JAX and TensorFlow use GPUs on Linux alone",
        ),
        (
            {"cuda": {"jax": None}, "with_cuda": (), **BLIND},
            "JAX is installed for the processor alone, and NVIDIA H100 80GB HBM3 is not used",
            JAX_CUDA,
        ),
        (
            {"engine": Engine("torch", ""), "cuda": {"torch": None}, "with_cuda": (), "backend": None},
            "PyTorch is installed for the processor alone, and NVIDIA H100 80GB HBM3 is not used",
            f"{JAX_CUDA}, or for PyTorch: pip install torch",
        ),
        (
            {"engine": Engine("tensorflow", ""), "with_cuda": (), "backend": None},
            "TensorFlow lacks libraries of CUDA, and NVIDIA H100 80GB HBM3 is not used",
            f"{JAX_CUDA}, or for TensorFlow: {TF_CUDA}",
        ),
        (
            {
                "backend": Answer("jax", "0.10.2", [CPU], 2.0, None, ("one", "cuInit fails", "no device")),
                "variables": {"LD_LIBRARY_PATH": "/opt/cuda", "CUDA_VISIBLE_DEVICES": "GPU-2"},
            },
            "JAX does not see NVIDIA H100 80GB HBM3: cuInit fails; no device",
            "look whether CUDA_VISIBLE_DEVICES names GPUs that `nvidia-smi -L` lists; or "
            f"unset LD_LIBRARY_PATH, which may lead to other libraries of CUDA; or {JAX_CUDA}",
        ),
        (
            {"gpus": [replace(H100, free=3 * GIB)]},
            "of 80.0 GiB of NVIDIA H100 80GB HBM3, 3.0 GiB are free: others use it too",
            "look at `nvidia-smi` for the processes, or name another GPU with CUDA_VISIBLE_DEVICES",
        ),
        (
            {"gpus": [H100, H100]},
            "JAX sees 1 GPU, and nvidia-smi 2",
            "look at `nvidia-smi` for one that has failed, and at CUDA_VISIBLE_DEVICES",
        ),
        (
            {"misfits": [Misfit("jax", "jaxlib<=0.10.2,>=0.10.1", "0.9.0")]},
            "jax 0.10.2 needs jaxlib<=0.10.2,>=0.10.1, and 0.9.0 is installed",
            'pip install "jaxlib<=0.10.2,>=0.10.1"',
        ),
        (
            {"misfits": [Misfit("keras", "optree", None)]},
            "keras needs optree, and that is not installed",
            'pip install "optree"',
        ),
        (
            {"packages": WELL.packages | {"jax-cuda13-plugin": "0.10.1"}},
            "jax-cuda13-plugin 0.10.1 does not fit jaxlib 0.10.2, and JAX leaves it out",
            'pip install "jax[cuda13]==0.10.2"',
        ),
        (
            {"plugin_failures": ["glueft-mood 2.3 cannot be used: ImportError"]},
            "glueft-mood 2.3 cannot be used: ImportError",
            "update or uninstall it",
        ),
        (
            {"variables": {"KERAS_MAX_EPOCHS": "1"}},
            "KERAS_MAX_EPOCHS=1 would end trainings early: runs are refused",
            "unset KERAS_MAX_EPOCHS",
        ),
        (
            {"keras_file": KerasFile("/k/keras.json", {"floatx": "float16"})},
            "/k/keras.json sets floatx to 'float16', not to Keras's 'float32': scores come out otherwise",
            'remove "floatx" from the file, or the file: Keras writes a new one',
        ),
        (
            {"keras_file": KerasFile("/k/keras.json", {}, "an empty file")},
            "/k/keras.json cannot be used: an empty file",
            "remove it: Keras writes a new one",
        ),
        (
            {"hub": Reach("https://hub.example", False, "ConnectError: no route", None)},
            "https://hub.example cannot be reached: ConnectError: no route",
            "set HTTPS_PROXY if there is a proxy, HF_ENDPOINT for a mirror, or HF_HUB_OFFLINE=1 to use the cache alone",
        ),
        (
            {"hub": Reach("https://hub.example", False, "its client cannot be imported: no module", None)},
            "https://hub.example cannot be reached: its client cannot be imported: no module",
            "pip install --force-reinstall huggingface-hub",
        ),
        (
            {
                "hub": Reach("", False, "UnsupportedProtocol", None),
                "variables": {"HF_ENDPOINT": "", "HF_TOKEN": "(set)"},
            },
            "a hub without address cannot be reached: UnsupportedProtocol",
            "look whether HF_ENDPOINT is right; or set HTTPS_PROXY if there is a proxy, HF_ENDPOINT for a mirror, or "
            "HF_HUB_OFFLINE=1 to use the cache alone",
        ),
        (
            {"folders": [Folder("hub cache", "/full", 0, True, 5, True)]},
            "/full (hub cache) has only 5 bytes of room",
            "make room, or name another place with HF_HOME",
        ),
        (
            {"folders": [Folder("this folder", "/locked", None, True, 90 * GIB, False)]},
            "/locked (this folder) cannot be written to",
            "change its permissions, or name another place with --output-dir",
        ),
        (
            {
                "folders": [Folder("shared memory", "/dev/shm", None, True, 2**25, False)],
                "gpus": [H100, H100],
                "backend": None,
            },
            "/dev/shm (shared memory) has 32 MiB free, and several GPUs exchange their gradients there",
            "start the container with --shm-size=1g or --ipc=host",
        ),
    ],
)
def test_what_is_wrong_is_found_once_with_its_remedy(changed: dict[str, Any], problem: str, fix: str) -> None:
    assert [(said, remedy) for _, said, remedy in found(**changed)] == [(problem, fix)]


def test_folders_that_need_no_room() -> None:
    full, locked = (Folder("", "/some", 0, True, 2**21, can_write) for can_write in (True, False))
    assert found(folders=[replace(full, holds="glueft"), replace(locked, holds="Keras")]) == []
    offline = Reach("https://huggingface.co", None, "HF_HUB_OFFLINE=1 is set", None)
    assert found(folders=[replace(locked, holds="hub cache")], hub=offline) == []


def test_of_the_parts_of_a_divided_gpu_a_process_sees_one() -> None:
    parts = [replace(H100, name=f"MIG-{number}") for number in (1, 2, 3)]
    assert found(gpus=parts, installed_gpus=parts) == []
    assert found(gpus=[*parts, H100])[0][1] == "JAX sees 1 GPU, and nvidia-smi 2"


def test_a_gpu_too_old_for_this_jax_comes_before_a_driver_that_is() -> None:
    told = found(**BLIND, driver="535.104.05", gpus=[replace(OLD, driver="535.104.05")])
    assert [(name, fix) for name, _, fix in told] == [("gpu_too_old", CUDA_12)]


def test_a_backend_that_sees_the_gpu_all_the_same_is_believed() -> None:
    """As with NVIDIA's packages for forward compatibility."""
    assert found(driver="550.54.15", gpus=[OLD]) == []


def test_the_report() -> None:
    changed = replace(
        WELL,
        gpus=[H100, GPU("GPU-2", None)],
        installed_gpus=[H100] * 4,
        accelerators={"NVIDIA GPU": 4, "Intel GPU": 1},
        backend=Answer("jax", "0.10.2", [SEEN, SEEN], 7.25),
        variables={"CUDA_VISIBLE_DEVICES": "0,1", "LD_LIBRARY_PATH": "/opt/a\nforged line:" + "/opt/b" * 20},
    )
    wrong = [Finding("one", "the hub is away", "wait"), Finding("two", "word " * 30, "do this " * 20)]
    lines = report_lines(changed, wrong)
    assert lines[:18] == [
        "machine",
        "  glueft          1.0, Python 3.12.3 (/usr/bin/python3)",
        "  system          Linux-6.8",
        "  processor       AMD EPYC, 16 of 64 cores, bfloat16 by AVX512-BF16",
        "  memory          128.0 GiB, 100.0 GiB free",
        "  GPU 0           NVIDIA H100 80GB HBM3, 80.0 GiB (79.0 GiB free), compute",
        "                  capability 9.0",
        "  GPU 1           NVIDIA GPU, memory unknown, compute capability unknown",
        "  hidden          2 GPUs, by CUDA_VISIBLE_DEVICES",
        "  driver          NVIDIA 580.95.05",
        "  others          1 Intel GPU: not looked at, glueft has been tried on NVIDIA's",
        "                  GPUs alone",
        "",
        "what auto comes to",
        "  backend         jax: an NVIDIA GPU is visible",
        "  precision       mixed_bfloat16: it is fast",
        "  its devices     2 x NVIDIA H100 80GB HBM3, 60.0 GiB for it, compute capability",
        "                  9.0 (asked in 7.2 s)",
    ]
    assert "  tensorflow      2.21.0, for CUDA 12, whose libraries are not installed" in lines
    assert "  jax             0.10.2, for CUDA 13" in lines
    assert "  hub             https://huggingface.co answers (HTTP 200)" in lines
    assert "  hub cache       /home/ada/.cache/huggingface/hub, 5.0 GiB, 90.0 GiB free" in lines
    assert "  CUDA_VISIBLE_DEVICES=0,1" in lines and not any(line.startswith("forged") for line in lines)
    assert lines[lines.index("2 things are wrong:") + 1 :][:3] == [
        "  1. the hub is away",
        "     to fix: wait",
        "  2. word word word word word word word word word word word word word word word",
    ]
    assert all(len(line) <= COLUMNS for line in lines if "/opt/b" not in line)
    assert report_lines(WELL, [])[-1] == "Nothing wrong was found."
    told = as_json(changed, wrong)
    assert told["processor"]["bfloat16"] == "AVX512-BF16"
    assert told["gpus"][0]["compute_capability"] == "9.0" and told["gpus"][1]["compute_capability"] is None
    assert [problem["name"] for problem in told["problems"]] == ["one", "two"]
    odd = replace(WELL, keras_file=KerasFile("/k/keras.json", {"epsilon": float("nan")}))
    assert as_json(odd, [])["keras_file"]["settings"] == {"epsilon": None}
