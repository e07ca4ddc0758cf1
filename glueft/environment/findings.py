"""What is wrong with an environment, and what to do: each finding is a function of the facts alone.

The oldest driver for each CUDA is that of NVIDIA's "CUDA Compatibility", minor version compatibility
(docs.nvidia.com/deploy/cuda-compatibility); the oldest GPU is that of JAX's page on installation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glueft.environment.facts import SET, Facts
from glueft.files import size
from glueft.hub.client import NO_CLIENT
from glueft.system.nvidia import VARIABLE
from glueft.text import counted, quoted
from glueft.training.backend import limits
from glueft.training.engine_choice import AUTO
from glueft.training.installed_backends import JAX_PLATFORMS, PIP_CUDA, TITLES

# The first number of the oldest driver that a CUDA of this major version runs on, and the oldest compute capability
# that JAX's wheels for it have code for.
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
OLDEST_FOR_JAX = {12: (5, 2), 13: (7, 5)}
# What says where each folder is, and the bytes that it should have free: those of the first take a checkpoint, its
# rows, or a run with its model and saved states. Keras goes on without a folder of its own.
NEEDED = {
    "hub cache": ("HF_HOME", 2**30),
    "data sets": ("HF_DATASETS_CACHE", 2**30),
    "this folder": ("--output-dir", 2**30),
    "temporary": ("TMPDIR", 2**26),
    "JAX programs": ("JAX_COMPILATION_CACHE_DIR", 2**26),
    "glueft": ("XDG_STATE_HOME", 2**20),
}
# Docker's own /dev/shm; GPUs that train together exchange their gradients through it.
SMALL_SHARED_MEMORY = 64 * 2**20
# A GPU of whose memory less is free is in use by others.
FREE_PART = 0.5
# What `JAX_PLATFORMS` calls NVIDIA's.
NVIDIA = {"cuda", "gpu"}
KERAS_BACKEND = "KERAS_BACKEND"
# As Keras itself sets them.
FLOATX, EPSILON = "float32", 1e-7
TAKE_CUDA_12 = "take JAX for CUDA 12: pip uninstall jax-cuda13-plugin jax-cuda13-pjrt; pip install 'jax[cuda12]'"
START_OF_A_CONTAINER = "a container is started with `docker run --gpus all`, a SLURM job with --gpus=1"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        name: of the kind, for programs.
        problem: a sentence without a full stop.
        fix: what to do now.
    """

    name: str
    problem: str
    fix: str


def findings(facts: Facts) -> list[Finding]:
    """Return all that is wrong, the most serious first."""
    return [finding for check in CHECKS for finding in check(facts)]


def no_backend(facts: Facts) -> list[Finding]:
    backend = facts.engine.backend
    if backend is None:
        return [Finding("no_backend", facts.engine.backend_reason, facts.engine.fix)]
    if backend not in TITLES:
        fix = "unset KERAS_BACKEND, or name tensorflow, jax or torch"
        return [Finding("no_backend", f"{quoted(backend)} is a backend of Keras that does not train", fix)]
    return []


def backend_fails(facts: Facts) -> list[Finding]:
    answer = facts.backend
    if answer is None or answer.failure is None:
        return []
    fixes = [f"import it by hand to see more: python -c 'import {answer.name}'"]
    if set_ := [name for name in ("XLA_FLAGS", *JAX_PLATFORMS, "LD_LIBRARY_PATH") if name in facts.variables]:
        fixes.insert(0, f"unset {' and '.join(set_)} if it is not needed")
    elif facts.gpus and "does not answer" in answer.failure:
        fixes.insert(0, "look whether `nvidia-smi` answers: a driver that hangs needs a restart of the machine")
    return [Finding("backend_fails", f"{TITLES[answer.name]} cannot be used: {answer.failure}", "; or ".join(fixes))]


def gpu_without_driver(facts: Facts) -> list[Finding]:
    if facts.nvidia_smi is not None:
        fix = "restart the machine if its driver hangs or was updated, or install the driver; " + START_OF_A_CONTAINER
        return [Finding("nvidia_smi_fails", f"nvidia-smi fails: {facts.nvidia_smi}", fix)]
    count = facts.accelerators.get("NVIDIA GPU", 0)
    if not count or facts.installed_gpus:
        return []
    there = "an NVIDIA GPU is" if count == 1 else f"{count} NVIDIA GPUs are"
    return [
        Finding(
            "gpu_without_driver",
            f"{there} in this machine, and no driver shows {'it' if count == 1 else 'them'} to this process",
            f"install NVIDIA's driver; {START_OF_A_CONTAINER}",
        )
    ]


def gpus_hidden(facts: Facts) -> list[Finding]:
    if facts.gpus or not facts.installed_gpus:
        return []
    return [
        Finding(
            "gpus_hidden",
            f"{VARIABLE}={quoted(facts.variables.get(VARIABLE, ''))} hides all GPUs "
            f"({counted(len(facts.installed_gpus), 'GPU')} installed)",
            f"unset {VARIABLE}, unless the processor is to be used",
        )
    ]


def driver_too_old(facts: Facts) -> list[Finding]:
    backend = facts.engine.backend or ""
    cuda = facts.cuda.get(backend)
    oldest = OLDEST_DRIVER.get(cuda or 0)
    if not facts.gpus or facts.driver is None or oldest is None or _sees_gpus(facts):
        return []
    major = int(facts.driver.partition(".")[0])
    if major >= oldest or gpu_too_old(facts):
        return []  # for an older GPU another JAX comes first, or none
    fix = f"update the driver to {oldest} or newer"
    if backend == "jax" and cuda == 13 and major >= OLDEST_DRIVER[12]:
        fix += f", or {TAKE_CUDA_12}"
    return [
        Finding(
            "driver_too_old",
            f"NVIDIA's driver {facts.driver} is too old for CUDA {cuda}, which {TITLES[backend]} is installed for",
            fix,
        )
    ]


def gpu_too_old(facts: Facts) -> list[Finding]:
    cuda = facts.cuda.get("jax") or 0
    if facts.engine.backend != "jax" or cuda not in OLDEST_FOR_JAX or _sees_gpus(facts):
        return []
    oldest = OLDEST_FOR_JAX[cuda]
    for gpu in facts.gpus:
        has = gpu.compute_capability
        if has is not None and has < oldest:
            problem = (
                f"{gpu.model or 'the GPU'} has the compute capability {_dotted(has)}, and JAX for CUDA {cuda} needs "
                f"{_dotted(oldest)}"
            )
            older_jax = TAKE_CUDA_12 if cuda > 12 and has >= OLDEST_FOR_JAX[12] else f"use the processor: {VARIABLE}=-1"
            return [Finding("gpu_too_old", problem, older_jax)]
    return []


def gpu_not_used(facts: Facts) -> list[Finding]:
    """A GPU is visible, and what is chosen computes on the processor."""
    backend = facts.engine.backend
    if not facts.gpus or backend is None or _sees_gpus(facts):
        return []
    if driver_too_old(facts) or gpu_too_old(facts) or backend_fails(facts):
        return []  # that is why
    there = facts.gpus[0].model or "an NVIDIA GPU"
    limited = next((name for name in JAX_PLATFORMS if facts.variables.get(name)), None)
    is_jax = backend == "jax" or (facts.setting == AUTO and KERAS_BACKEND not in facts.variables)
    if limited and is_jax and facts.cuda.get("jax") and not NVIDIA & {*facts.variables[limited].split(",")}:
        problem, fix = f"{limited}={quoted(facts.variables[limited])} keeps JAX from the GPU", f"unset {limited}"
        return [Finding("gpu_not_used", problem, fix)]
    title, fix = TITLES.get(backend, backend), _install(facts, backend)
    if facts.cuda.get(backend) is None:
        problem = f"{title} is installed for the processor alone, and {there} is not used"
    elif facts.backend is None and backend in facts.with_cuda:
        return []  # nothing is known against it
    elif facts.backend is None:
        problem = f"{title} lacks libraries of CUDA, and {there} is not used"
    else:
        said = f": {'; '.join(facts.backend.messages[-2:])}" if facts.backend.messages else ""
        problem = f"{title} does not see {there}{said}"
        if "LD_LIBRARY_PATH" in facts.variables:
            fix = f"unset LD_LIBRARY_PATH, which may lead to other libraries of CUDA; or {fix}"
        if VARIABLE in facts.variables:
            fix = f"look whether {VARIABLE} names GPUs that `nvidia-smi -L` lists; or {fix}"
    return [Finding("gpu_not_used", problem, fix)]


def gpu_in_use(facts: Facts) -> list[Finding]:
    """Other processes hold most of a GPU's memory."""
    found = []
    for gpu in facts.gpus:
        if gpu.memory is not None and gpu.free is not None and gpu.free < FREE_PART * gpu.memory:
            problem = f"of {size(gpu.memory)} of {gpu.model or gpu.name}, {size(gpu.free)} are free: others use it too"
            fix = f"look at `nvidia-smi` for the processes, or name another GPU with {VARIABLE}"
            found.append(Finding("gpu_in_use", problem, fix))
    return found


def fewer_gpus(facts: Facts) -> list[Finding]:
    answer = facts.backend
    if answer is None or answer.failure is not None or not _sees_gpus(facts):
        return []
    seen = sum(device["kind"] != "cpu" for device in answer.devices)
    # A process sees one part of a divided GPU (MIG) at most.
    parts = [gpu for gpu in facts.gpus if gpu.name.startswith("MIG-")]
    there = len(facts.gpus) - len(parts[1:])
    if seen >= there:
        return []
    return [
        Finding(
            "fewer_gpus",
            f"{TITLES[answer.name]} sees {counted(seen, 'GPU')}, and nvidia-smi {there}",
            f"look at `nvidia-smi` for one that has failed, and at {VARIABLE}",
        )
    ]


def packages_misfit(facts: Facts) -> list[Finding]:
    found = [
        Finding(
            "packages_misfit",
            f"{misfit.package} {facts.packages.get(misfit.package, '')}".strip()
            + f" needs {misfit.requirement}, and "
            + (f"{misfit.installed} is installed" if misfit.installed else "that is not installed"),
            f'pip install "{misfit.requirement}"',
        )
        for misfit in facts.misfits
    ]
    jaxlib = facts.packages.get("jaxlib")
    for plugin, version in facts.packages.items():
        # JAX leaves out a plugin of another version than jaxlib's (jax_plugins/xla_cuda13/__init__.py).
        if plugin.startswith("jax-cuda") and jaxlib is not None and version != jaxlib:
            number = plugin.removeprefix("jax-cuda")[:2]
            problem = f"{plugin} {version} does not fit jaxlib {jaxlib}, and JAX leaves it out"
            fix = f'pip install "jax[cuda{number}]=={facts.packages.get("jax", jaxlib)}"'
            found.append(Finding("packages_misfit", problem, fix))
    return found


def plugins_fail(facts: Facts) -> list[Finding]:
    return [Finding("plugin_fails", text, "update or uninstall it") for text in facts.plugin_failures]


def trainings_cut_short(facts: Facts) -> list[Finding]:
    return [
        Finding("training_cut_short", f"{name}={limit} would end trainings early: runs are refused", f"unset {name}")
        for name, limit in limits(facts.variables).items()
    ]


def keras_file_unusual(facts: Facts) -> list[Finding]:
    file = facts.keras_file
    if file is None:
        return []
    if file.failure is not None:
        problem = f"{file.path} cannot be used: {file.failure}"
        return [Finding("keras_file", problem, "remove it: Keras writes a new one")]
    told = {name: file.settings.get(name, usual) for name, usual in (("floatx", FLOATX), ("epsilon", EPSILON))}
    return [
        Finding(
            "keras_file",
            f"{file.path} sets {name} to {told[name]!r}, not to Keras's {usual!r}: scores come out otherwise",
            f"remove {quoted(name)} from the file, or the file: Keras writes a new one",
        )
        for name, usual in (("floatx", FLOATX), ("epsilon", EPSILON))
        if told[name] != usual
    ]


def hub_out_of_reach(facts: Facts) -> list[Finding]:
    if facts.hub.is_reachable is not False:
        return []
    fix = "set HTTPS_PROXY if there is a proxy, HF_ENDPOINT for a mirror, or HF_HUB_OFFLINE=1 to use the cache alone"
    if facts.hub.answer.startswith(NO_CLIENT):
        fix = "pip install --force-reinstall huggingface-hub"
    set_ = [name for name, value in facts.variables.items() if name.startswith("HF_") and value != SET]
    if set_:
        fix = f"look whether {' and '.join(set_)} {'is' if len(set_) == 1 else 'are'} right; or {fix}"
    return [
        Finding(
            "hub_out_of_reach",
            f"{facts.hub.endpoint or 'a hub without address'} cannot be reached: {facts.hub.answer}",
            fix,
        )
    ]


def folders_unusable(facts: Facts) -> list[Finding]:
    found = []
    for folder in facts.folders:
        what = f"{folder.path} ({folder.holds})"
        if folder.holds == "shared memory":
            if len(facts.gpus) > 1 and folder.free is not None and folder.free < SMALL_SHARED_MEMORY:
                problem = f"{what} has {size(folder.free)} free, and several GPUs exchange their gradients there"
                found.append(Finding("little_room", problem, "start the container with --shm-size=1g or --ipc=host"))
            continue
        if folder.holds not in NEEDED or (folder.holds == "hub cache" and facts.hub.is_reachable is None):
            continue  # nothing is written there
        variable, room = NEEDED[folder.holds]
        if not folder.can_write:
            fix = f"change its permissions, or name another place with {variable}"
            found.append(Finding("not_writable", f"{what} cannot be written to", fix))
        elif folder.free is not None and folder.free < room:
            fix = f"make room, or name another place with {variable}"
            found.append(Finding("little_room", f"{what} has only {size(folder.free)} of room", fix))
    return found


CHECKS: tuple[Callable[[Facts], list[Finding]], ...] = (
    no_backend, backend_fails, gpu_without_driver, gpus_hidden, driver_too_old, gpu_too_old, gpu_not_used, gpu_in_use,
    fewer_gpus, packages_misfit, plugins_fail, trainings_cut_short, keras_file_unusual, hub_out_of_reach,
    folders_unusable,
)  # fmt: skip


def _dotted(capability: tuple[int, int]) -> str:
    return "{}.{}".format(*capability)


def _sees_gpus(facts: Facts) -> bool:
    """Whether the backend has said that it computes on a GPU."""
    return facts.backend is not None and any(device["kind"] != "cpu" for device in facts.backend.devices)


def _install(facts: Facts, backend: str) -> str:
    """What to do for a backend that can use the GPU."""
    if facts.system.startswith("Windows") and backend != "torch":
        return "run glueft in WSL 2: JAX and TensorFlow use GPUs on Linux alone"
    if backend != "jax" and "jax" in facts.with_cuda:
        unset = f"unset {KERAS_BACKEND}, or " if KERAS_BACKEND in facts.variables else ""
        return f"take JAX, which is installed with CUDA: {unset}add --backend jax"
    jax = PIP_CUDA["jax"]
    return jax if backend == "jax" else f"{jax}, or for {TITLES.get(backend, backend)}: {PIP_CUDA.get(backend, jax)}"
