"""What JAX, TensorFlow and PyTorch tell of a GPU's memory, as they tell it where there is one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from glueft.system.device_memory import DeviceMemory, device_memory, take_as_needed, usable_memory
from glueft.system.nvidia import GPU

GB = 10**9
HELD = {"bytes_in_use": 2, "peak_bytes_in_use": 4, "pool_bytes": 5, "bytes_limit": 8}
LARGE = HELD | {"bytes_limit": 3 * 2**20}
UNUSED = {"bytes_in_use": 0, "peak_bytes_in_use": 0}


def jax(*statistics: dict[str, int] | None) -> Any:
    devices = [
        SimpleNamespace(device_kind="NVIDIA H100", local_hardware_id=number, memory_stats=lambda told=told: told)
        for number, told in enumerate(statistics)
    ]
    return SimpleNamespace(local_devices=lambda: devices)


def tensorflow(*peaks: int) -> Any:
    info = {f"GPU:{number}": {"current": 1, "peak": peak} for number, peak in enumerate(peaks)}
    devices = [SimpleNamespace(name=f"/device:{name}") for name in info]
    experimental = SimpleNamespace(get_memory_info=info.__getitem__)
    return SimpleNamespace(config=SimpleNamespace(list_logical_devices=lambda kind: devices, experimental=experimental))


def torch(*peaks: int) -> Any:
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_available=lambda: bool(peaks),
            device_count=lambda: len(peaks),
            get_device_name=lambda number: f"NVIDIA {number}",
            max_memory_allocated=peaks.__getitem__,
            memory_reserved=lambda number: GB,
            mem_get_info=lambda number: (GB, 8 * GB),
        )
    )


@pytest.mark.parametrize(
    ("backend", "library", "memory"),
    [
        ("jax", jax(None, None), None),
        ("jax", jax(HELD | {"peak_bytes_in_use": 3}, HELD), DeviceMemory("NVIDIA H100", 1, 4, held=5, limit=8)),
        ("jax", jax({"bytes_in_use": 2, "peak_bytes_in_use": 3}), DeviceMemory("NVIDIA H100", 0, 3, held=2)),
        ("jax", jax({"bytes_in_use": 3}), None),
        ("tensorflow", tensorflow(), None),
        ("tensorflow", tensorflow(5, 2), DeviceMemory("GPU:0", 0, 5, held=1)),
        ("torch", torch(), None),
        ("torch", torch(2, 5), DeviceMemory("NVIDIA 1", 1, 5, held=GB, limit=8 * GB)),
        ("numpy", SimpleNamespace(), None),
        (None, SimpleNamespace(), None),
    ],
)  # fmt: skip
def test_the_most_memory_on_a_device(
    backend: str | None, library: Any, memory: DeviceMemory | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, backend or "nothing", library)
    assert device_memory(backend) == memory


def test_a_backend_that_is_not_imported_is_not_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert device_memory("torch") is None and "torch" not in sys.modules


@pytest.mark.parametrize(
    ("users", "jax_is_told"),
    [
        ({}, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_CLIENT_MEM_FRACTION": "0.9"}),
        ({"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}, {"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}),
        ({"XLA_CLIENT_MEM_FRACTION": "0.4"},
         {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_CLIENT_MEM_FRACTION": "0.4"}),
        # JAX refuses both names together.
        ({"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.4"},
         {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.4"}),
    ],
)  # fmt: skip
def test_memory_is_taken_as_it_is_needed(users: dict[str, str], jax_is_told: dict[str, str]) -> None:
    environment = dict(users)
    take_as_needed(environment)
    assert environment == jax_is_told | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    environment = users | {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    take_as_needed(environment)
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"


@pytest.mark.parametrize(
    ("statistics", "free", "usable"),
    [
        ([HELD], {}, 8),
        ([HELD], {"GPU-1": "0"}, 5),  # another process has the rest, and JAX's own limit knows nothing of it
        ([HELD], {"GPU-1": "[N/A]"}, 8),
        ([LARGE, LARGE], {"GPU-1": "2", "GPU-2": "1"}, 2**20 + 5),
        ([LARGE, UNUSED], {"GPU-1": "1", "GPU-2": "0"}, 2**20 + 5),  # whoever has the other one
        ([{"bytes_in_use": 2, "peak_bytes_in_use": 3}], {}, None),
        ([UNUSED, None], {"GPU-1": "1"}, None),
    ],
)
def test_what_other_processes_leave(
    statistics: list[dict[str, int] | None], free: dict[str, str], usable: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nvidia_smi(*asked: str) -> list[str]:
        assert asked[1:] == ("--query-gpu=memory.free", "--format=csv,noheader,nounits")
        return [free[asked[0].removeprefix("--id=")]]

    monkeypatch.setitem(sys.modules, "jax", jax(*statistics))
    monkeypatch.setattr("glueft.system.device_memory.visible_gpus", lambda environment: [GPU(n, None) for n in free])
    monkeypatch.setattr("glueft.system.nvidia._ask", nvidia_smi)
    assert usable_memory("jax") == usable
