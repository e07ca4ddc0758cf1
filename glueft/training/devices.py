"""The devices that a run computes on, one or several: each batch is shared out among them.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from glueft.errors import TrainingError
from glueft.text import counted
from glueft.training.backend import keras_backend
from glueft.training.machine import devices_seen

# On so many rows of a batch "auto" takes one more GPU. With fewer a GPU waits for the others longer than it computes;
# a rule of thumb, not measured.
ROWS_PER_DEVICE = 16


@dataclass(frozen=True)
class Devices:
    """What a run computes on.

    Attributes:
        kind: "cpu", "gpu" or "tpu".
        name: the model of the first one; None for a CPU.
        count: how many are used, those of all processes together.
        available: how many there are.
        processes: that train together, on one machine or several.
        process: which of them this is, from 0.
    """

    kind: str
    name: str | None
    count: int
    available: int
    processes: int = 1
    process: int = 0

    @property
    def of_process(self) -> int:
        """How many are used in this process."""
        return self.count // self.processes

    def as_record(self) -> dict[str, Any]:
        """Return what run.json says of them."""
        return {key: value for key, value in asdict(self).items() if key != "process"}


def refuse_devices(setting: Literal["auto"] | int, backend: str) -> None:
    """Raise TrainingError if several devices are asked for and the backend can use one only."""
    if setting == "auto" or setting == 1 or backend == "jax":
        return
    reason = (
        "Keras shares out a training on TensorFlow by MirroredStrategy, which is known to break"
        if backend == "tensorflow"
        else "Keras shares out no training on PyTorch"
    )
    raise TrainingError(
        f"engine.devices = {setting}: several devices are used on JAX alone",
        expected='engine.backend = "jax", or one device',
        received=f'the backend "{backend}"; {reason}',
        fix='install JAX (pip install "glueft[jax-cuda]" for NVIDIA GPUs) and set engine.backend = "jax"; '
        "or set engine.devices = 1",
    )


def choose_devices(setting: Literal["auto"] | int, rows: int, *, fewer: bool = False) -> Devices:
    """Return the devices to compute on. The backend is imported.

    Args:
        setting: `engine.devices`. "auto" takes one CPU device, one device of each process, or as many of its GPUs as
            the rows keep busy.
        rows: that go through the model at once.
        fewer: whether fewer will do where there are fewer, as for a run that goes on or is done again.

    Raises:
        TrainingError: there are fewer devices, or they cannot be shared out among the processes.
    """
    backend = keras_backend()
    refuse_devices(setting, backend)
    kind, name, available = devices_seen(backend)
    if backend != "jax":
        return Devices(kind, name, 1, available)
    import jax

    processes = jax.process_count()
    local = available // processes
    if setting == "auto":
        count = processes * (1 if kind == "cpu" else max(1, min(local, rows // (ROWS_PER_DEVICE * processes))))
    else:
        count = max(processes, min(setting, available) // processes * processes) if fewer else setting
    if count > available or count % processes:
        shared = f", a multiple of the {processes} processes" if processes > 1 else ""
        more = ""
        if kind == "cpu":
            more = "; JAX makes several of a CPU with XLA_FLAGS=--xla_force_host_platform_device_count=N"
        raise TrainingError(
            f"engine.devices = {setting}: these devices cannot be had",
            expected=f"at most {available}{shared}",
            received=f"{setting}; JAX sees {counted(available, f'{kind.upper()} device')}",
            fix=f'set engine.devices to such a number, or to "auto"{more}',
        )
    return Devices(kind, name, count, available, processes, jax.process_index())


def make_distribution(devices: Devices) -> Any:
    """Return what shares out batches among several devices; None for one. Imports Keras."""
    if devices.count == 1:
        return None
    import jax
    import keras

    by_process: dict[int, list[str]] = {}
    for device in jax.devices():
        by_process.setdefault(device.process_index, []).append(f"{device.platform}:{device.id}")
    used = [name for _, names in sorted(by_process.items()) for name in names[: devices.of_process]]
    # Each process feeds its own rows; Keras shares out datasets of TensorFlow alone.
    return keras.distribution.DataParallel(devices=used, auto_shard_dataset=False)


@contextmanager
def distributed(distribution: Any) -> Iterator[None]:
    """Build models and share out their batches by a distribution, or by none, within the block. Keras is imported."""
    if keras_backend() != "jax":
        yield
        return
    import keras

    before = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
