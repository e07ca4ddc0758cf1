"""What `glueft env` tells, gathered in this process; only the backend is asked in one of its own."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from glueft.environment.accelerators import accelerators
from glueft.environment.backend_process import Answer, BackendProcess
from glueft.environment.folders import Folder, folders
from glueft.environment.packages import Misfit, installed_packages, misfits
from glueft.errors import GlueftError
from glueft.hub.client import Reach, reach_hub
from glueft.plugin.registry import load_registry
from glueft.system import nvidia
from glueft.system.limits import cores, free_memory, memory_limit
from glueft.system.nvidia import GPU
from glueft.system.processor import bfloat16_instructions
from glueft.training.engine_choice import (
    AUTO,
    Device,
    choose_backend,
    choose_precision,
    cuda_device,
    facts_here,
    refuse_missing,
    refuse_unknown,
)
from glueft.training.engine_choice import Facts as ChoiceFacts
from glueft.training.installed_backends import TITLES, cuda_version, has_cuda
from glueft.training.keras_file import KerasFile, read_keras_file
from glueft.training.machine import processor
from glueft.version import __version__

# Environment variables that can change what a run does or how fast it is; of other tools are those left out.
PREFIXES = (
    "CUDA_", "DNNL_", "GLUEFT_", "HF_", "HUGGINGFACE_", "JAX_", "KERAS_", "MKL_", "NCCL_", "NVIDIA_", "OMP_",
    "ONEDNN_", "TF_", "TORCH_", "TRANSFORMERS_", "XLA_",
)  # fmt: skip
NAMES = (
    "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "LD_LIBRARY_PATH", "LD_PRELOAD", "NPROC", "PYTHONPATH",
    "SLURM_JOB_ID", "SLURM_NTASKS", "TMPDIR", "TOKENIZERS_PARALLELISM", "XDG_CACHE_HOME", "XDG_STATE_HOME",
)  # fmt: skip
OF_OTHER_TOOLS = ("TF_CLI", "TF_VAR", "TF_LOG", "TF_DATA_DIR", "TF_WORKSPACE")  # Terraform's
# The value of such a variable is never told.
SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEY", "AUTH", "CREDENTIALS")
SET = "(set)"


@dataclass(frozen=True)
class Processor:
    """The processor and the memory.

    Attributes:
        model: None if unknown.
        architecture: such as "x86_64".
        cores: that this process may use.
        all_cores: of the machine.
        memory: bytes that this process may use; None if unknown, as the next.
        free_memory: of these, those that nothing uses now.
        bfloat16: the instructions by which it multiplies bfloat16, as oneDNN may use them; None if there are none.
    """

    model: str | None
    architecture: str
    cores: int
    all_cores: int
    memory: int | None
    free_memory: int | None
    bfloat16: str | None = None


@dataclass(frozen=True)
class Engine:
    """What a recipe's `[engine]` comes to here.

    Attributes:
        backend: None where none can be used.
        backend_reason: why that one; the error where there is none.
        precision: Keras's dtype policy; None without a backend.
        precision_reason: likewise.
        fix: of the error; empty without one.
    """

    backend: str | None
    backend_reason: str
    precision: str | None = None
    precision_reason: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Facts:
    """All that is told and judged.

    Attributes:
        glueft: its version.
        python: its version.
        executable: Python's program.
        system: the operating system.
        processor: and memory.
        accelerators: how many there are of each kind, with a driver or without.
        gpus: NVIDIA's that this process sees.
        installed_gpus: all of them, also those that `CUDA_VISIBLE_DEVICES` hides.
        driver: the version of NVIDIA's; None if there is none.
        nvidia_smi: why that program fails; None if it does not.
        setting: the backend that was asked for, or "auto".
        engine: what that comes to.
        cuda: the CUDA that each installed backend is built for, its major version; None for the processor alone.
        with_cuda: those of them that find what they need on an NVIDIA GPU.
        backend: what it answers; None if it was not asked.
        packages: versions of those that are installed.
        misfits: those that do not fit together.
        plugins: how many there are of each package.
        plugin_failures: those that cannot be used.
        hub: whether it answers.
        folders: where things are kept.
        keras_file: the user's keras.json; None without one.
        variables: those of the environment that matter.
    """

    glueft: str
    python: str
    executable: str
    system: str
    processor: Processor
    accelerators: dict[str, int]
    gpus: list[GPU]
    installed_gpus: list[GPU]
    driver: str | None
    nvidia_smi: str | None
    setting: str
    engine: Engine
    cuda: dict[str, int | None]
    with_cuda: tuple[str, ...]
    backend: Answer | None
    packages: dict[str, str]
    misfits: list[Misfit]
    plugins: dict[str, int]
    plugin_failures: list[str]
    hub: Reach
    folders: list[Folder]
    keras_file: KerasFile | None
    variables: dict[str, str]


def gather(setting: str = AUTO, *, ask_backend: bool = True, say: Callable[[str], None] = lambda text: None) -> Facts:
    """Return the facts of this machine and this environment.

    Args:
        setting: as `backend` of a recipe's `[engine]`.
        ask_backend: whether the backend is imported, in a process of its own, and asked for its devices.
        say: shows a line to the user.

    Raises:
        TrainingError: there is no such backend.
    """
    refuse_unknown("backend", setting, (AUTO, *TITLES))
    variables = variables_that_matter(os.environ)  # before the hub's client goes into offline mode
    known = _choice_facts()
    engine = _engine(setting)
    process: BackendProcess | None = None
    answer: Answer | None = None
    if ask_backend and engine.backend in TITLES:
        try:
            process = BackendProcess(engine.backend)
        except OSError as error:
            answer = Answer(engine.backend, None, [], 0.0, f"Python cannot be started: {error.strerror or error}")
    try:
        found = processor()
        there = nvidia.installed_gpus() if nvidia.VARIABLE in os.environ else [*known.gpus]
        packages, registry = installed_packages(), load_registry()
        facts = Facts(
            glueft=__version__,
            python=platform.python_version(),
            executable=sys.executable,
            system=platform.platform(),
            processor=Processor(
                found["processor"],
                found["architecture"],
                cores(),
                os.cpu_count() or 1,
                memory_limit(),
                free_memory(),
                bfloat16_instructions(),
            ),
            accelerators=accelerators(),
            gpus=[*known.gpus],
            installed_gpus=there,
            driver=next((gpu.driver for gpu in there if gpu.driver), None) or nvidia.driver_version(),
            nvidia_smi=None if any(gpu.memory for gpu in there) else nvidia.failure(),
            setting=setting,
            engine=engine,
            cuda={name: cuda_version(name) for name in known.installed},
            with_cuda=tuple(filter(has_cuda, known.installed)),
            backend=answer,
            packages=packages,
            misfits=misfits(packages),
            plugins=dict(Counter(plugin.origin for plugin in registry.all())),
            plugin_failures=[*map(str, registry.failures)],
            hub=reach_hub(),
            folders=folders(os.environ),
            keras_file=read_keras_file(os.environ),
            variables=variables,
        )
        if process is None:
            return facts
        answer = process.answer(say=say)
        return replace(facts, backend=answer, engine=_engine(setting, answer))
    finally:
        if process is not None:
            process.end()


def variables_that_matter(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that can change a run, without the values of secret ones."""
    wanted = sorted(
        name
        for name in environment
        if (name.startswith(PREFIXES) or name.upper() in NAMES) and not name.startswith(OF_OTHER_TOOLS)
    )
    return {
        name: SET if any(word in name.upper().split("_") for word in SECRET) else environment[name] for name in wanted
    }


def _choice_facts() -> ChoiceFacts:
    """The facts of a process that has just begun."""
    return replace(facts_here(), imported=None)


def _engine(setting: str, answer: Answer | None = None) -> Engine:
    """What is chosen: the precision by what the backend has answered, or else by what it should see."""
    known = _choice_facts()
    try:
        chosen = choose_backend(setting, known)
        refuse_missing(chosen)
    except GlueftError as error:
        told = f"{error.message} (expected {error.expected}; received {error.received})"
        return Engine(None, told, fix=error.fix)
    device = None if answer is None or answer.failure else _device(answer)
    precision = choose_precision(AUTO, chosen.value, known, device=device)
    reason = chosen.reason if setting == AUTO else "it was asked for"
    return Engine(chosen.value, reason, precision.value, precision.reason)


def _device(answer: Answer) -> Device:
    """What a backend computes on. AMD's GPUs have no number for a compute capability."""
    found = []
    for device in answer.devices:
        if number := re.fullmatch(r"(\d+)\.(\d+)", device["compute_capability"] or ""):
            found.append(((int(number[1]), int(number[2])), device["model"]))
    return cuda_device(found, others=any(device["kind"] != "cpu" for device in answer.devices))
