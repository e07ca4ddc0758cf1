"""The NVIDIA GPUs of this machine, and those that a process sees, found without a framework.

Importing this module imports no framework either.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
# The driver of a GPU that has failed may hang.
SECONDS = 20.0
# Where it is not on the path: Windows's subsystem for Linux.
PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
# What the driver tells itself, also where nvidia-smi is missing, as in many containers: a folder for each GPU, and a
# file with its version.
DRIVER = Path("/proc/driver/nvidia")

# Asked of nvidia-smi for each GPU. One that does not know a field, `compute_cap` before driver 510, answers nothing.
FIELDS = ("index", "uuid", "memory.total", "memory.free", "driver_version", "name", "mig.mode.current", "compute_cap")
OLD_FIELDS = FIELDS[:-2]
# Answers to `mig.mode.current` of a GPU that is not divided.
WHOLE = ("Disabled", "[N/A]")


@dataclass(frozen=True)
class GPU:
    """A GPU, or a part of one (MIG).

    Attributes:
        name: what `CUDA_VISIBLE_DEVICES` calls it: its UUID, or what the user has called it there.
        memory: bytes; None if unknown.
        model: such as "NVIDIA H100 80GB HBM3"; None if unknown.
        compute_capability: such as (9, 0); None if unknown.
        driver: the driver's version, such as "580.95.05"; None if unknown.
        free: bytes that no process holds now; None if unknown.
    """

    name: str
    memory: int | None
    model: str | None = None
    compute_capability: tuple[int, int] | None = None
    driver: str | None = None
    free: int | None = None


def visible_gpus(environment: Mapping[str, str]) -> list[GPU]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` names, or all where it is not set; none where none is installed."""
    chosen = environment.get(VARIABLE)
    if chosen is not None and not _names(chosen):
        return []
    installed = _installed()
    if chosen is None:
        return [gpu for _, gpu in installed]
    known = {key: gpu for index, gpu in reversed(installed) for key in (index, gpu.name)}
    found: list[GPU] = []
    for name in _names(chosen) if installed else ():
        if name.isdecimal() and name not in known:
            break
        found.append(replace(known.get(name) or _any_of([gpu for _, gpu in installed]), name=name))
    return found


def installed_gpus() -> list[GPU]:
    """Return all GPUs of the machine, also those that `CUDA_VISIBLE_DEVICES` hides."""
    return [gpu for _, gpu in _installed()]


def free_memory(gpu: GPU) -> int | None:
    """Return the bytes of a GPU that no process holds; None if unknown, as of a part of a GPU."""
    (told,) = _ask(f"--id={gpu.name}", "--query-gpu=memory.free", "--format=csv,noheader,nounits")[:1] or [""]
    return int(told) * 2**20 if told.strip().isdecimal() else None


def _names(variable: str) -> list[str]:
    """What is named, once each; as for CUDA, nothing counts from the first on that names none, such as -1."""
    names: list[str] = []
    for part in variable.split(","):
        name = part.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        names.append(name)
    return [*dict.fromkeys(names)]


def _any_of(gpus: list[GPU]) -> GPU:
    """What holds for a GPU of which only the machine is known: the least of each, as far as they are alike."""
    models = {gpu.model for gpu in gpus}
    return replace(
        gpus[0],
        memory=min((gpu.memory for gpu in gpus if gpu.memory is not None), default=None),
        model=models.pop() if len(models) == 1 else None,
        compute_capability=min((gpu.compute_capability for gpu in gpus if gpu.compute_capability), default=None),
        free=None,
    )


def _installed() -> list[tuple[str, GPU]]:
    """Each GPU with its index, as nvidia-smi tells them; of a divided one, its parts, each with the index of the whole.

    Where nvidia-smi tells nothing, the driver tells how many there are.
    """
    try:
        return _told_by_nvidia_smi() or _told_by_the_driver()
    except subprocess.TimeoutExpired:
        return _told_by_the_driver()


def _told_by_nvidia_smi() -> list[tuple[str, GPU]]:
    for fields in (FIELDS, OLD_FIELDS):
        lines = _ask(f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
        if lines:
            break
    told = [dict(zip(fields, map(str.strip, line.split(",")), strict=False)) for line in lines]
    whole = {facts["index"]: _gpu(facts) for facts in told if facts.get("uuid", "").startswith("GPU-")}
    if whole and all(facts.get("mig.mode.current") in WHOLE for facts in told):
        return [*whole.items()]
    return _listed(whole) or [*whole.items()]


def _gpu(facts: Mapping[str, str]) -> GPU:
    model, driver = facts.get("name", ""), facts.get("driver_version", "")
    major, _, minor = facts.get("compute_cap", "").partition(".")
    return GPU(
        facts["uuid"],
        _bytes(facts.get("memory.total", "")),
        None if model.startswith("[") else model or None,
        (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None,
        driver if re.match(r"\d+(\.|$)", driver) else driver_version(),
        _bytes(facts.get("memory.free", "")),
    )


def _bytes(mebibytes: str) -> int | None:
    return int(mebibytes) * 2**20 if mebibytes.isdecimal() else None


def _listed(whole: Mapping[str, GPU]) -> list[tuple[str, GPU]]:
    """What `nvidia-smi -L` lists: whole GPUs, and the parts of those that are divided."""
    found: list[tuple[str, GPU]] = []
    for line in _ask("-L"):
        if one := re.match(r"GPU (\d+): (.*) \(UUID: (GPU-[\w-]+)\)", line):
            found.append((one[1], whole.get(one[1]) or GPU(one[3], None, one[2], driver=driver_version())))
        elif found and (part := re.match(r"\s+MIG \S*?(\d+)gb\S*\s.*\(UUID: (MIG-[\w/-]+)\)", line)):
            index, gpu = found[-1]
            if gpu.name.startswith("GPU-"):
                found.pop()  # a GPU that is divided cannot be used as a whole
            found.append((index, replace(gpu, name=part[2], memory=int(part[1]) * 10**9, free=None)))
    return found


def _told_by_the_driver() -> list[tuple[str, GPU]]:
    found = []
    for number, folder in enumerate(sorted(DRIVER.glob("gpus/*"))):
        model = None
        with suppress(OSError, UnicodeDecodeError):
            model = re.search(r"^Model:\s*(\S.*)$", (folder / "information").read_text(encoding="utf-8"), re.MULTILINE)
        found.append(
            (str(number), GPU(str(number), None, model[1].strip() if model else None, driver=driver_version()))
        )
    return found


def driver_version() -> str | None:
    """Return the version of the driver that is loaded, as it says itself; None without one."""
    with suppress(OSError, UnicodeDecodeError):
        told = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", (DRIVER / "version").read_text(encoding="utf-8"))
        return told[1] if told else None
    return None


def failure() -> str | None:
    """Return what nvidia-smi says where it is installed and fails; None otherwise."""
    try:
        done = _run("-L")
    except subprocess.TimeoutExpired:
        return f"it does not answer in {SECONDS:g} s"
    if done is None or done.returncode == 0:
        return None
    lines = (done.stdout + done.stderr).split()
    return " ".join(lines) or f"it ends with the exit code {done.returncode}"


def _ask(*arguments: str) -> list[str]:
    done = _run(*arguments)
    return done.stdout.splitlines() if done is not None and done.returncode == 0 else []


# Whether nvidia-smi has hung: this process asks it no more.
_hangs = False


def _run(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    """Run nvidia-smi; None where it is not installed.

    Raises:
        TimeoutExpired: it hangs.
    """
    global _hangs
    if _hangs:
        raise subprocess.TimeoutExpired(PROGRAMS[0], SECONDS)
    for program in PROGRAMS:
        try:
            return subprocess.run(
                [program, *arguments], capture_output=True, text=True, timeout=SECONDS, errors="replace"
            )
        except subprocess.TimeoutExpired:
            _hangs = True
            raise
        except OSError:
            continue
    return None
