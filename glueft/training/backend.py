"""Keras's backend: which one it is, how it is imported and set up, and whether XLA compiles the steps.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.errors import TrainingError
from glueft.system.device_memory import take_as_needed
from glueft.text import quoted

# Those of Keras; the last two do not train.
BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")

# Packages that Keras and TensorFlow import if they are installed, for features that glueft does not use: scikit-learn
# estimators, image galleries, conversion from JAX to TensorFlow Lite. Together they cost seconds and 200 MiB.
SIDE_PACKAGES = ("sklearn", "matplotlib", "jax")

# TensorFlow's own switch, read once at import: "1" takes matrix products from oneDNN, "0" from Eigen. Unset, TensorFlow
# uses oneDNN on newer Intel processors only.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

# XLA's switch for its programs on GPUs, read when JAX computes first. Other programs do not look at it.
XLA_DETERMINISM = "--xla_gpu_deterministic_ops"

# glibc's mallopt(3): a parameter number from malloc.h, and its value in bytes. A step frees thousands of small blocks.
# Without this, the empty heaps of the threads (64 MiB each) are returned to the system and requested again, page by
# page, in the next step. The mmap threshold cannot be set as well: TensorFlow sets it to 128 KiB with every generator.
M_TOP_PAD = -2
HEAP_KEPT = 64 << 20


@dataclass(frozen=True)
class JitDecision:
    """Whether XLA compiles train and predict steps, and why."""

    compiled: bool
    reason: str


def keras_backend() -> str:
    """Return the backend that Keras runs on, or would run on if it were imported.

    Keras uses `KERAS_BACKEND`, else its keras.json, else TensorFlow (keras/src/backend/config.py).
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    folder = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser()
    try:
        configured = json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        configured = "tensorflow"
    return os.environ.get("KERAS_BACKEND") or str(configured)


def decide_jit_compile(setting: str | bool) -> JitDecision:
    """Decide what `engine.jit_compile` means on this backend, before Keras is imported.

    On TensorFlow "auto" means no: on a CPU, steps with the layers' own kernels are as fast as compiled ones
    (tests/benchmarks/NOTES.md), and compiling takes seconds for every padded length. Not measured on a GPU.
    """
    if setting != "auto":
        return JitDecision(bool(setting), "the recipe says so")
    backend = keras_backend()
    if backend == "jax":
        return JitDecision(True, "JAX compiles every step")
    if backend == "torch":
        return JitDecision(False, "PyTorch runs the steps as they are")
    return JitDecision(False, "the layers' own TensorFlow kernels are as fast, and nothing has to be compiled")


def import_backend() -> None:
    """Import Keras with its backend and without `SIDE_PACKAGES`, unless that has been done.

    `keras.wrappers` and `keras.visualization` then report their packages as missing in this process. The packages
    themselves can be imported as usual.

    Raises:
        TrainingError: the backend is not installed, or none of Keras's.
    """
    backend = keras_backend()
    if backend not in BACKENDS or (backend not in sys.modules and importlib.util.find_spec(backend) is None):
        installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
        raise TrainingError(
            f"Keras cannot use the backend {quoted(backend)} here",
            expected="an installed backend: " + ", ".join(installed),
            received="one that is not installed" if backend in BACKENDS else "none of Keras's backends",
            fix="set KERAS_BACKEND to one of these, or unset it"
            + (f"; or install it: pip install {backend}" if backend in BACKENDS else ""),
        )
    prepare_tensorflow()
    prepare_jax()
    take_as_needed(os.environ)
    with missing(*(name for name in SIDE_PACKAGES if name != backend)):
        import keras  # noqa: F401


@contextmanager
def missing(*names: str) -> Iterator[None]:
    """Make packages look as if they were not installed within the block; those already imported stay."""
    held = [name for name in names if name not in sys.modules]
    # None in place of a module makes its import an ImportError (the language reference, section 5.3.1).
    sys.modules.update(dict.fromkeys(held))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in held:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


def prepare_tensorflow() -> None:
    """Let TensorFlow use oneDNN on every processor, and keep memory between steps. Other backends are left alone.

    The user's own value of `TF_ENABLE_ONEDNN_OPTS` stays. What each setting gains is in tests/benchmarks/NOTES.md.
    """
    if keras_backend() != "tensorflow":
        return
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(ONEDNN, "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TOP_PAD, HEAP_KEPT)


def prepare_jax() -> None:
    """Have XLA compute the same on a GPU each time. The user's own value of its switch stays.

    On an NVIDIA H200, two trainings without it differ from the second step on; tests/benchmarks/NOTES.md has what it
    costs.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if keras_backend() == "jax" and XLA_DETERMINISM not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_DETERMINISM}=true".strip()


def seed_backend(seed: int, *, jit_compile: bool) -> None:
    """Seed Python, NumPy and the backend, and make results repeatable. Imports Keras.

    TensorFlow's deterministic operations are for steps that XLA does not compile: Keras compiles nothing while they
    are on. They are switched for every session, so that each run of a process gets what its recipe says.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        # The switch off is in no public module. Keras reads the switch from this one, too.
        from tensorflow.python.framework import config

        if jit_compile:
            config.disable_op_determinism()
        else:
            config.enable_op_determinism()


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Build layers under a Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16"."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_backend(precision: str, *, jit_compile: bool) -> dict[str, Any]:
    """Return what run.json says in `engine` of how numbers are computed; `onednn` is TensorFlow's, else None."""
    backend = keras_backend()
    used = onednn() if backend == "tensorflow" else None
    return {"backend": backend, "onednn": used, "precision": precision, "jit_compile": jit_compile}


def onednn() -> str | None:
    """Return TensorFlow's switch for oneDNN; where it was imported without, "1" or "0" as it has chosen."""
    value = os.environ.get(ONEDNN)
    if value is None and "tensorflow" in sys.modules:
        with suppress(ImportError, AttributeError):
            from tensorflow.python.util import _pywrap_util_port  # no public module has it

            value = str(int(_pywrap_util_port.IsMklEnabled()))
    return value
