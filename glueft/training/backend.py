"""Keras's backend: which one it is, how it is imported and set up, and whether XLA compiles the steps.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from glueft.errors import TrainingError
from glueft.system.device_memory import take_as_needed
from glueft.training.engine_choice import (
    AUTO,
    BFLOAT16_ON_CPU,
    ONEDNN,
    Choice,
    RunEngine,
    choose_backend,
    choose_precision,
    device_in_use,
    facts_here,
    refuse_missing,
    unusable,
    unused_gpu,
)

# Keras reads it when it is imported.
VARIABLE = "KERAS_BACKEND"

# Keras's own, for trying a script: it ends trainings there, and predictions too, and glueft hides that it warns.
LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")

# What `use_backend` has chosen for this process.
_chosen: Choice | None = None

# Packages that Keras and TensorFlow import if they are installed, for features that glueft does not use: scikit-learn
# estimators, image galleries, conversion from JAX to TensorFlow Lite. Together they cost seconds and 200 MiB.
SIDE_PACKAGES = ("sklearn", "matplotlib", "jax")

# XLA's switch for its programs on GPUs, read when JAX computes first. Other programs do not look at it.
XLA_DETERMINISM = "--xla_gpu_deterministic_ops"

# glibc's mallopt(3): a parameter number from malloc.h, and its value in bytes. A step frees thousands of small blocks.
# Without this, the empty heaps of the threads (64 MiB each) are returned to the system and requested again, page by
# page, in the next step. The mmap threshold cannot be set as well: TensorFlow sets it to 128 KiB with every generator.
M_TOP_PAD = -2
HEAP_KEPT = 64 << 20
# For XLA on a CPU: a step takes one block of 140 MB (MiniLM) and frees it. glibc maps anew what is larger than the heap
# of a thread, so all threads get the main heap; nothing is mapped apart; and a gigabyte may stay free at its end.
M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD = -8, -4, -1
FOR_XLA = {M_ARENA_MAX: 1, M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 1 << 30, M_TOP_PAD: HEAP_KEPT}


@dataclass(frozen=True)
class JitDecision:
    """Whether XLA compiles train and predict steps, and why."""

    compiled: bool
    reason: str


def use_backend(setting: str, run: RunEngine | None = None) -> Choice:
    """Choose the backend of Keras for this process, before Keras is imported; `keras_backend` returns it from now on.

    Args:
        setting: `engine.backend` of a recipe.
        run: the run, if it is about one.

    Raises:
        TrainingError: the backend is not installed, is none of Keras's, Keras is imported on another, or is to end
            early.
    """
    global _chosen
    _refuse_limits()
    facts = facts_here()
    choice = choose_backend(setting, facts, run)
    refuse_missing(choice, goes_on=run is not None and run.goes_on)
    if choice.value == "jax" and "jax" not in facts.cuda:
        tune_malloc(FOR_XLA)  # now, before other threads have heaps of their own
    _chosen = choice
    return choice


def uses_gpu() -> bool:
    """Whether the backend can use an NVIDIA GPU that this process sees."""
    return keras_backend() in facts_here().cuda


def limits(environment: Mapping[str, str]) -> dict[str, str]:
    """Return those of `LIMITS` that are set, with their values."""
    return {name: environment[name] for name in LIMITS if environment.get(name, "0") != "0"}


def _refuse_limits() -> None:
    keras: Any = sys.modules.get("keras")
    if keras is None:
        found, fix = limits(os.environ), "unset it"
    else:
        config = keras.config
        asked = {LIMITS[0]: config.max_epochs(), LIMITS[1]: config.max_steps_per_epoch()}
        found = {name: str(limit) for name, limit in asked.items() if limit}
        fix = "call keras.config.set_max_epochs(None) and keras.config.set_max_steps_per_epoch(None)"
    if found:
        raise TrainingError(
            "Keras is told to end trainings early, and a run goes as far as its recipe says",
            expected=f"{' and '.join(LIMITS)} not set",
            received=", ".join(f"{name}={value}" for name, value in found.items()),
            fix=f"{fix}; for a short try, lower training.epochs or data.limit_train",
        )


def use_precision(setting: str, run: RunEngine | None = None, *, jit_compile: bool = False) -> Choice:
    """Choose the precision on this backend: by what it computes on if it is imported, else by what it should."""
    backend = keras_backend()
    device = device_in_use(backend) if "keras" in sys.modules else None
    return choose_precision(setting, backend, facts_here(), run, device=device, jit_compile=jit_compile)


def device_warnings() -> list[str]:
    """Return a line where the imported backend leaves a visible GPU unused."""
    facts = facts_here()
    if not facts.gpus or facts.imported is None:
        return []
    warning = unused_gpu(facts.imported, facts, device_in_use(facts.imported))
    return [] if warning is None else [warning]


def keras_backend() -> str:
    """Return the backend that Keras runs on or will run on: what `use_backend` has chosen, else what "auto" comes to.

    Raises:
        TrainingError: none is installed.
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    return _choice().value


def _choice() -> Choice:
    return _chosen or choose_backend(AUTO, facts_here())


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
        TrainingError: the backend is not installed, none of Keras's, or cannot be imported.
    """
    backend = keras_backend()
    if "keras" not in sys.modules:
        refuse_missing(_choice())
    prepare_tensorflow()
    prepare_jax()
    take_as_needed(os.environ)
    with missing(*(name for name in SIDE_PACKAGES if name != backend)), _named(backend):
        try:
            import keras  # noqa: F401
        except (ImportError, OSError) as error:
            raise unusable(backend, error) from error


@contextmanager
def _named(backend: str) -> Iterator[None]:
    """Have Keras take a backend if it is imported within the block; a process that is begun later chooses anew."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = backend
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


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
    tune_malloc({M_TOP_PAD: HEAP_KEPT})


def tune_malloc(parameters: Mapping[int, int]) -> None:
    """Set parameters of glibc's malloc, where that is the one. What they gain is in tests/benchmarks/NOTES.md."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in parameters.items():
            mallopt(parameter, value)


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

    On another backend Keras would import TensorFlow if it is there, to seed it too: for seconds, and hundreds of MiB.

    TensorFlow's deterministic operations are for steps that XLA does not compile: Keras compiles nothing while they
    are on. They are switched for every session, so that each run of a process gets what its recipe says.
    """
    import keras

    backend = keras.backend.backend()
    with missing(*(["tensorflow"] if backend != "tensorflow" else [])):
        keras.utils.set_random_seed(seed)
    if backend == "tensorflow":
        # The switch off is in no public module. Keras reads the switch from this one, too.
        from tensorflow.python.framework import config

        if jit_compile:
            config.disable_op_determinism()
        else:
            config.enable_op_determinism()


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Build layers in a precision: "float32", "mixed_bfloat16" or "mixed_float16".

    It is a dtype policy of Keras. But on a CPU, mixed_bfloat16 is that of float32, with matrix products in bfloat16.
    """
    import keras

    from glueft.encoder.dense import products_in_bfloat16

    backend = keras.backend.backend()
    products = precision == "mixed_bfloat16" and backend in BFLOAT16_ON_CPU and device_in_use(backend).is_cpu
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if products else precision)
    try:
        with products_in_bfloat16() if products else nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_backend(backend: Choice, precision: Choice, *, jit_compile: bool) -> dict[str, Any]:
    """Return what run.json says in `engine` of how numbers are computed; `onednn` is TensorFlow's, else None."""
    return {
        "backend": backend.value,
        "backend_reason": backend.reason,
        "onednn": onednn() if backend.value == "tensorflow" else None,
        "precision": precision.value,
        "precision_reason": precision.reason,
        "jit_compile": jit_compile,
    }


def onednn() -> str | None:
    """Return TensorFlow's switch for oneDNN; where it was imported without, "1" or "0" as it has chosen."""
    value = os.environ.get(ONEDNN)
    if value is None and "tensorflow" in sys.modules:
        with suppress(ImportError, AttributeError):
            from tensorflow.python.util import _pywrap_util_port  # no public module has it

            value = str(int(_pywrap_util_port.IsMklEnabled()))
    return value
