"""The memory of GPUs: how the backends take it, and how much of it the process holds.

Importing this module imports no framework.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from glueft.system.nvidia import free_memory, visible_gpus

# Whether JAX takes three quarters of a GPU's memory when it first computes, and what part of it JAX may ever take: of
# the second variable, the name and the earlier one, which must not be set together.
PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
FRACTION, EARLIER_FRACTION = "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"
# Whether TensorFlow takes memory as it needs it. Otherwise it takes nearly all of every GPU.
GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
# The rest is for the driver, compiled programs, and libraries that have memory of their own.
USED_FRACTION = "0.9"


@dataclass(frozen=True)
class DeviceMemory:
    """The memory of one GPU, in bytes.

    Attributes:
        name: its model, or the backend's name of it.
        number: its place among the GPUs that the process sees.
        peak: the most that the process has had in use there.
        held: what the process keeps from others now.
        limit: what the backend takes at most, whatever others hold; None if it does not tell.
    """

    name: str
    number: int
    peak: int
    held: int
    limit: int | None = None


def take_as_needed(environment: MutableMapping[str, str]) -> None:
    """Have JAX and TensorFlow take the memory of a GPU as they need it, so that several processes can share it.

    It is for before they compute first. Variables that are set already stay. Without the second one JAX ends at three
    quarters of the memory, also where it does not take them at once.
    """
    environment.setdefault(GROWTH, "true")
    if PREALLOCATE not in environment:
        environment[PREALLOCATE] = "false"
        if EARLIER_FRACTION not in environment:
            environment.setdefault(FRACTION, USED_FRACTION)


def device_memory(backend: str | None) -> DeviceMemory | None:
    """Return what a backend of Keras tells of its GPUs, of the one in fullest use.

    Returns:
        None on a CPU, and where the backend is not imported or tells nothing.
    """
    return max(_memory_of_gpus(backend), key=lambda memory: memory.peak, default=None)


def usable_memory(backend: str | None) -> int | None:
    """Return the bytes of a GPU that the process may hold, with those that it holds already; None as above.

    What other processes hold is left out, where nvidia-smi tells it. Of several GPUs that the process uses it is the
    fullest that counts.
    """
    used = [memory for memory in _memory_of_gpus(backend) if memory.peak]
    gpus = visible_gpus(os.environ) if used else []
    limits = [memory.limit for memory in used]
    for memory in used:
        free = free_memory(gpus[memory.number]) if memory.number < len(gpus) else None
        limits.append(None if free is None else memory.held + free)
    return min((limit for limit in limits if limit is not None), default=None)


def _memory_of_gpus(backend: str | None) -> list[DeviceMemory]:
    library, read = sys.modules.get(backend or ""), _READ.get(backend or "")
    if library is not None and read is not None:
        with suppress(Exception):  # No run fails for a number that a library or driver cannot tell.
            return read(library)
    return []


def _of_jax(jax: Any) -> list[DeviceMemory]:
    told = [(device, device.memory_stats()) for device in jax.local_devices()]
    return [
        DeviceMemory(
            device.device_kind,
            device.local_hardware_id or 0,
            statistics["peak_bytes_in_use"],
            statistics.get("pool_bytes", statistics["bytes_in_use"]),
            statistics.get("bytes_limit"),
        )
        for device, statistics in told
        if statistics
    ]


def _of_tensorflow(tensorflow: Any) -> list[DeviceMemory]:
    config = tensorflow.config
    names = [device.name.rpartition("device:")[2] for device in config.list_logical_devices("GPU")]
    told = [config.experimental.get_memory_info(name) for name in names]
    return [
        DeviceMemory(name, number, memory["peak"], memory["current"])
        for number, (name, memory) in enumerate(zip(names, told, strict=True))
    ]


def _of_torch(torch: Any) -> list[DeviceMemory]:
    cuda = torch.cuda
    numbers = range(cuda.device_count()) if cuda.is_available() else ()
    return [
        DeviceMemory(
            cuda.get_device_name(number),
            number,
            cuda.max_memory_allocated(number),
            cuda.memory_reserved(number),
            cuda.mem_get_info(number)[1],
        )
        for number in numbers
    ]


_READ: dict[str, Callable[[Any], list[DeviceMemory]]] = {
    "jax": _of_jax,
    "tensorflow": _of_tensorflow,
    "torch": _of_torch,
}
