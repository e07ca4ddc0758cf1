"""The NVIDIA GPUs of this machine that a process sees, found without a framework."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
# The driver of a GPU that has failed may hang.
SECONDS = 20.0
# The driver has a folder in it for each GPU, also where nvidia-smi is missing, as in many containers.
DRIVER = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class GPU:
    """A GPU, or a part of one (MIG).

    Attributes:
        name: what `CUDA_VISIBLE_DEVICES` calls it: its UUID, or what the user has called it there.
        memory: bytes; None if unknown.
    """

    name: str
    memory: int | None


def visible_gpus(environment: Mapping[str, str]) -> list[GPU]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` names, or all where it is not set; none where none is installed."""
    chosen = environment.get(VARIABLE)
    if chosen is not None and not _names(chosen):
        return []
    installed = _installed()
    if chosen is None:
        return [GPU(name, memory) for _, name, memory in installed]
    memory = {key: size for index, name, size in reversed(installed) for key in (index, name)}
    usual = min((size for _, _, size in installed if size is not None), default=None)
    found: list[GPU] = []
    for name in _names(chosen) if installed else ():
        if name.isdecimal() and name not in memory:
            break
        found.append(GPU(name, memory.get(name, usual)))
    return found


def _names(variable: str) -> list[str]:
    """What is named, once each; as for CUDA, nothing counts from the first on that names none, such as -1."""
    names: list[str] = []
    for part in variable.split(","):
        name = part.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        names.append(name)
    return [*dict.fromkeys(names)]


def _installed() -> list[tuple[str, str, int | None]]:
    """The index, UUID and memory of each GPU, as nvidia-smi tells them; of a divided one, of its parts.

    Where nvidia-smi tells nothing, the driver tells how many there are.
    """
    memory = {}
    for line in _ask("--query-gpu=index,memory.total", "--format=csv,noheader,nounits"):
        index, _, mebibytes = line.partition(",")
        memory[index.strip()] = int(mebibytes) * 2**20 if mebibytes.strip().isdecimal() else None
    found: list[tuple[str, str, int | None]] = []
    for line in _ask("-L"):
        if whole := re.match(r"GPU (\d+): .*\(UUID: (GPU-[\w-]+)\)", line):
            found.append((whole[1], whole[2], memory.get(whole[1])))
        elif found and (part := re.match(r"\s+MIG \S*?(\d+)gb\S*\s.*\(UUID: (MIG-[\w/-]+)\)", line)):
            index, name, _ = found[-1]
            if name.startswith("GPU-"):
                found.pop()  # a GPU that is divided cannot be used as a whole
            found.append((index, part[2], int(part[1]) * 10**9))
    return found or [(str(number), str(number), None) for number, _ in enumerate(DRIVER.glob("*"))]


def _ask(*arguments: str) -> list[str]:
    command = ["nvidia-smi", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
