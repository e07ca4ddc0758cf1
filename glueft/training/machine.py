"""What of the machine can change a number: processor, threads, device and the switches of the libraries.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glueft.system.processor import CPUINFO, ISA_LIMITS, cpu_facts
from glueft.training.backend import XLA_DETERMINISM, keras_backend, onednn
from glueft.training.engine_choice import ONEDNN

# Instruction sets for which the libraries have kernels of their own, which sum in another order; as Linux calls them.
INSTRUCTIONS = (
    "avx", "fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile",
    "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2",
)  # fmt: skip
# Environment variables that choose other kernels or another precision within the same dtype.
SWITCHES = {
    "tensorflow": (
        ONEDNN, *ISA_LIMITS, "ONEDNN_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE", "TF_XLA_FLAGS",
        "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE",
    ),
    "jax": ("XLA_FLAGS", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_ENABLE_X64", "NVIDIA_TF32_OVERRIDE"),
    "torch": (*ISA_LIMITS, "NVIDIA_TF32_OVERRIDE"),
}  # fmt: skip


def describe_machine() -> dict[str, Any]:
    """Return `fingerprints.machine` of run.json. The backend is asked for threads and device if it is imported."""
    backend = keras_backend()
    return {
        **processor(),
        **threads(backend),
        "device": _device(backend),
        "switches": {name: value for name in SWITCHES.get(backend, ()) if (value := _switch(name)) is not None},
    }


def _switch(name: str) -> str | None:
    """The value of a switch; None if it is not set, or XLA's by glueft alone."""
    value = onednn() if name == ONEDNN else os.environ.get(name)
    if name != "XLA_FLAGS" or value is None:
        return value
    return value.replace(f"{XLA_DETERMINISM}=true", "").strip() or None


def processor(cpuinfo: Path = CPUINFO) -> dict[str, Any]:
    """Return the model of the processor, its architecture, and those of `INSTRUCTIONS` that it has."""
    facts = cpu_facts(cpuinfo)
    # On ARM Linux names no model, but the numbers of its maker and its design.
    model = facts.get("model name") or " ".join(
        f"{name} {facts[name]}" for name in ("cpu implementer", "cpu part") if name in facts
    )
    flags = facts.get("flags", facts.get("features", "")).split()
    return {
        "processor": model or platform.processor() or None,
        "architecture": platform.machine(),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
    }


def threads(backend: str) -> dict[str, int]:
    """Return the threads within an operation, and of TensorFlow those between operations too."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    library = sys.modules.get(backend)
    if backend == "torch":
        return {"intra_op_threads": cpus if library is None else library.get_num_threads()}
    if backend == "jax":  # XLA takes NPROC for its pool, else a thread a processor.
        return {"intra_op_threads": _whole("NPROC") or cpus}
    # 0 in TensorFlow's configuration means its variable, and without one a thread a processor (process_util.cc).
    set_by = getattr(getattr(library, "config", None), "threading", None)
    within = set_by.get_intra_op_parallelism_threads() if set_by else 0
    between = set_by.get_inter_op_parallelism_threads() if set_by else 0
    return {
        "intra_op_threads": within or _whole("TF_NUM_INTRAOP_THREADS") or cpus,
        "inter_op_threads": between or _whole("TF_NUM_INTEROP_THREADS") or cpus,
    }


def thread_variables(machine: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables with which a process has as many threads as `describe_machine` has told."""
    variables = {
        "intra_op_threads": ("TF_NUM_INTRAOP_THREADS", "NPROC", "OMP_NUM_THREADS"),
        "inter_op_threads": ("TF_NUM_INTEROP_THREADS",),
    }
    return {name: str(machine[key]) for key, names in variables.items() if machine.get(key) for name in names}


def _whole(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0


def devices_seen(backend: str) -> tuple[str, str | None, int]:
    """Return the kind of the devices of an imported backend, the model of the first one, and their number.

    The kind is "cpu", "gpu" or "tpu"; the model of a CPU is None.
    """
    library: Any = sys.modules[backend]
    if backend == "jax":
        found = library.devices()
        kind = str(found[0].platform)
        return kind, None if kind == "cpu" else str(found[0].device_kind), len(found)
    if backend == "tensorflow":
        graphics = library.config.list_physical_devices("GPU")
        if graphics:
            details = library.config.experimental.get_device_details(graphics[0])
            return "gpu", str(details.get("device_name", "GPU")), len(graphics)
    elif library.cuda.is_available():
        return "gpu", str(library.cuda.get_device_name(0)), library.cuda.device_count()
    return "cpu", None, 1


def _device(backend: str) -> str | None:
    """The device that computes: "CPU", or the model of the first GPU or TPU; None where the backend is not imported."""
    if sys.modules.get(backend) is None:
        return None
    _, model, _ = devices_seen(backend)
    return model or "CPU"
