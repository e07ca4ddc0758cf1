"""What `backend` and `precision` of a recipe's [engine] come to here, each with the reason.

The choices are functions of facts alone. Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from glueft.errors import TrainingError
from glueft.suggest import did_you_mean
from glueft.system.nvidia import GPU, VARIABLE, visible_gpus
from glueft.system.processor import fast_bfloat16, kept_from_fast_bfloat16, kept_from_onednn
from glueft.text import quoted
from glueft.training.installed_backends import (
    PIP,
    PIP_CUDA,
    TITLES,
    has_cuda,
    installed_backends,
    is_installed,
    jax_platforms,
)
from glueft.training.keras_file import read_keras_file

AUTO = "auto"
PRECISIONS = (AUTO, "float32", "mixed_bfloat16", "mixed_float16")
# Further ones of Keras, which do not train.
OTHER_BACKENDS = ("numpy", "openvino")
# From this compute capability on (Ampere), an NVIDIA GPU multiplies bfloat16 in its tensor cores.
BFLOAT16_SINCE = (8, 0)
# On these glueft multiplies in bfloat16 on a CPU, and computes all else in float32 (`glueft.encoder.dense`).
BFLOAT16_ON_CPU = ("tensorflow", "jax")

# TensorFlow's own switch, read once at import: "1" takes matrix products from oneDNN, "0" from Eigen. Unset, TensorFlow
# uses oneDNN on newer Intel processors only.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


@dataclass(frozen=True)
class Choice:
    """What a setting has come to, and why, in a sentence without a full stop."""

    value: str
    reason: str


@dataclass(frozen=True)
class RunEngine:
    """How a run was computed that goes on, is done again, or whose model is used.

    Attributes:
        backend, precision: as run.json has them; None if it does not.
        padded_lengths: of all its batches; None if evaluated ones had their own.
        training_lengths: of the batches of the training, where they are not those; None if each had its own.
        goes_on: whether the run itself goes on: then no other backend will do.
    """

    backend: str | None = None
    precision: str | None = None
    padded_lengths: Sequence[int] | None = None
    training_lengths: Sequence[int] | None = None
    goes_on: bool = False


@dataclass(frozen=True)
class Device:
    """What an imported backend computes on.

    Attributes:
        is_cuda: whether that is an NVIDIA GPU.
        model: of the GPU; None if unknown, or without one. Of several GPUs it is the one of the least capability.
        compute_capability: its own, such as (9, 0), likewise.
        is_other: whether it is neither that nor a CPU, such as a TPU.
    """

    is_cuda: bool
    model: str | None = None
    compute_capability: tuple[int, int] | None = None
    is_other: bool = False

    @property
    def is_cpu(self) -> bool:
        return not (self.is_cuda or self.is_other)


@dataclass(frozen=True)
class Facts:
    """What the choices look at.

    Attributes:
        imported: the backend on which Keras is imported already; None if it is not.
        variable: `KERAS_BACKEND`; None if it is not set.
        configured: what the user's keras.json names; None if that does not say anything.
        installed: the backends that are installed and train, by preference.
        cuda: those of them that can use an NVIDIA GPU; not looked for where none is visible.
        gpus: the NVIDIA GPUs that this process sees.
        bfloat16: the instructions by which the processor multiplies bfloat16 faster than float32; None without any.
        slow_by: the setting that keeps the processor from such instructions.
        onednn: whether TensorFlow may use oneDNN.
        kept_from_onednn: dtypes that it may not use there, so that TensorFlow ends, each with the setting to blame.
    """

    imported: str | None = None
    variable: str | None = None
    configured: str | None = None
    installed: tuple[str, ...] = ("tensorflow",)
    cuda: tuple[str, ...] = ()
    gpus: tuple[GPU, ...] = ()
    bfloat16: str | None = None
    slow_by: str | None = None
    onednn: bool = True
    kept_from_onednn: Mapping[str, str] = field(default_factory=dict)


def choose_backend(setting: str, facts: Facts, run: RunEngine | None = None) -> Choice:
    """Choose the backend of Keras.

    In this order: the recipe's own; where it says "auto", that of a run that goes on, the one on which Keras is
    imported, `KERAS_BACKEND`, that of a run whose model is used again, keras.json, JAX and then TensorFlow if it can
    use an NVIDIA GPU that is visible; else TensorFlow, JAX, PyTorch, whichever is installed first.

    Args:
        setting: of the recipe.
        facts: of the process.
        run: the run, if it is about one; if it does not go on, its backend counts where it is installed.

    Raises:
        TrainingError: Keras is imported on another one than is wanted, or none is installed.
    """
    of_run = None if run is None else run.backend
    begun = of_run if run is not None and run.goes_on else None
    wanted = begun if setting == AUTO else setting
    if wanted is not None:
        if facts.imported not in (None, wanted):
            raise TrainingError(
                f"the {'run was begun with' if setting == AUTO else 'recipe wants'} the backend {quoted(wanted)}, and "
                "Keras is imported already on another",
                expected=f"Keras on {wanted}, or not imported",
                received=f"Keras on {facts.imported}",
                fix="start a new process, and let glueft import Keras there; if a plugin imports it at its top: "
                f"KERAS_BACKEND={wanted}",
            )
        return Choice(wanted, "the run was begun with it" if setting == AUTO else "the recipe says so")
    if facts.imported is not None:
        return Choice(facts.imported, "Keras is imported already, on this backend")
    if facts.variable is not None:
        return Choice(facts.variable, "KERAS_BACKEND says so")
    if of_run is not None and of_run in facts.installed:
        return Choice(of_run, "the run was computed with it")
    if facts.configured is not None:
        return Choice(facts.configured, "keras.json says so")
    if facts.gpus:
        for backend in ("jax", "tensorflow"):
            if backend in facts.cuda:
                return Choice(backend, f"an NVIDIA GPU is visible, and {TITLES[backend]} is installed with CUDA")
    if not facts.installed:
        raise TrainingError(
            "no backend of Keras is installed",
            expected="TensorFlow, JAX or PyTorch",
            received="none of them",
            fix=f"{PIP['tensorflow']}, or on an NVIDIA GPU: {PIP_CUDA['jax']}",
        )
    backend = facts.installed[0]
    if not facts.gpus:
        seen = "no NVIDIA GPU is visible"
    elif facts.cuda:
        seen = "of what is installed only PyTorch can use the NVIDIA GPU, which is taken only where it is asked for"
    else:
        seen = f"an NVIDIA GPU is visible, but nothing that is installed can use it ({PIP_CUDA['jax']})"
    if backend != "tensorflow":
        seen += ", and TensorFlow is not installed"
    return Choice(backend, seen)


def choose_precision(
    setting: str,
    backend: str,
    facts: Facts,
    run: RunEngine | None = None,
    *,
    device: Device | None = None,
    jit_compile: bool = False,
) -> Choice:
    """Choose the precision of the model.

    Args:
        setting: of the recipe.
        backend: the chosen one.
        facts: of the process.
        run: the run, if it is about one.
        device: what the backend computes on, once it is imported; until then it is taken to use what it can.
        jit_compile: whether XLA compiles the steps.

    Raises:
        TrainingError: there is no such precision, or TensorFlow would crash in it.
    """
    if device is None:
        device = expected_device(backend, facts)
    if setting != AUTO:
        refuse_unknown("precision", setting, PRECISIONS)
        choice = Choice(setting, "the recipe says so")
    elif run is not None and run.precision is not None:
        choice = Choice(run.precision, "the run was computed in it")
    else:
        return _fastest_precision(backend, facts, device, jit_compile=jit_compile)
    if backend == "tensorflow" and device.is_cpu:
        _refuse_crash(choice, facts)
    return choice


def _fastest_precision(backend: str, facts: Facts, device: Device, *, jit_compile: bool) -> Choice:
    if device.is_cpu:
        return _precision_on_cpu(backend, facts, jit_compile=jit_compile)
    if device.is_other:
        return Choice("float32", "no NVIDIA GPU is used")
    gpu = device.model or "the GPU"
    if device.compute_capability is None:
        return Choice("float32", f"the compute capability of {gpu} is not known")
    capability = "{}.{}".format(*device.compute_capability)
    if device.compute_capability < BFLOAT16_SINCE:
        since = "{}.{}".format(*BFLOAT16_SINCE)
        return Choice("float32", f"{gpu} has the compute capability {capability}, and bfloat16 is fast from {since} on")
    return Choice("mixed_bfloat16", f"{gpu} has the compute capability {capability}, and multiplies bfloat16 faster")


def refuse_unknown(kind: str, name: str, known: Sequence[str]) -> None:
    """Raise TrainingError unless a backend or a precision, the `kind`, is one of those known, "auto" among them."""
    if name not in known:
        raise TrainingError(
            f"no {kind} is called {quoted(name)}",
            expected=f"one of {', '.join(known)}",
            received=quoted(name),
            fix=did_you_mean(name, known).strip() or 'name one of these, or leave it to "auto"',
        )


def _refuse_crash(choice: Choice, facts: Facts) -> None:
    """Raise TrainingError where products on the CPU would end the process without a word of Python."""
    blame = facts.kept_from_onednn.get(choice.value.removeprefix("mixed_"))
    if facts.onednn and blame is not None:
        variable = blame.partition("=")[0]
        raise TrainingError(
            f"TensorFlow would crash in {choice.value}: oneDNN is kept from the processor's instructions for it",
            expected=f"{variable} not set, or {ONEDNN}=0, or another precision",
            received=f"{blame}, and {choice.value} ({choice.reason})",
            fix=f"unset {variable}, or compute in float32: --set engine.precision=float32, or --precision float32 "
            "where a run is evaluated",
        )


def _precision_on_cpu(backend: str, facts: Facts, *, jit_compile: bool) -> Choice:
    """bfloat16 where it has been measured to be faster."""
    if facts.bfloat16 is None and facts.slow_by is not None:
        slow = f"{facts.slow_by} keeps the processor from fast bfloat16"
    elif facts.bfloat16 is None:
        slow = "the processor multiplies bfloat16 no faster than float32"
    elif backend not in BFLOAT16_ON_CPU:
        slow = f"on a CPU {TITLES.get(backend, backend)} computes in float32"
    elif backend == "tensorflow" and not facts.onednn:
        slow = f"{ONEDNN} keeps TensorFlow from multiplying bfloat16 fast"
    elif backend == "tensorflow" and jit_compile:
        slow = "steps that XLA compiles for TensorFlow are in float32"
    else:
        return Choice("mixed_bfloat16", f"the processor multiplies bfloat16 faster ({facts.bfloat16})")
    return Choice("float32", f"no NVIDIA GPU is used, and {slow}")


def unused_gpu(backend: str, facts: Facts, device: Device) -> str | None:
    """Return a warning where an imported backend computes on the CPU beside a GPU that the user has not hidden."""
    if device.is_cuda or not facts.gpus or (backend == "jax" and jax_platforms() is not None):
        return None
    there = facts.gpus[0].model or "an NVIDIA GPU"
    return f"{TITLES.get(backend, backend)} computes on the CPU, although {there} is visible: `glueft env` says why"


def expected_device(backend: str, facts: Facts) -> Device:
    """Return what a backend that is not imported will compute on, if nothing is wrong with it or the driver."""
    if backend not in facts.cuda or not facts.gpus:
        return Device(is_cuda=False)
    if unknown := [gpu for gpu in facts.gpus if gpu.compute_capability is None]:
        return Device(True, unknown[0].model)
    return cuda_device([(gpu.compute_capability, gpu.model) for gpu in facts.gpus if gpu.compute_capability])


def refuse_missing(choice: Choice, *, goes_on: bool = False) -> None:
    """Raise TrainingError unless the backend of a choice is one that trains, and installed.

    Args:
        choice: of the backend.
        goes_on: whether a run goes on that was begun with it.
    """
    backend = choice.value
    known = backend in TITLES
    if known and (backend in sys.modules or is_installed(backend)):
        return
    there = ", ".join(installed_backends()) or "none is installed"
    fix = f"install it: {PIP[backend]}; or " if known else ""
    received = "one that is not installed" if known else "none of Keras's backends"
    if goes_on:
        fix += "start a new run: glueft run RECIPE"
    else:
        fix += 'name one of these with --backend, [engine] backend or KERAS_BACKEND, or leave it to "auto"'
    raise TrainingError(
        f"Keras cannot use the backend {quoted(backend)} here",
        expected=quoted(backend) if goes_on else f"an installed backend: {there}",
        received=f"{'one that does not train' if backend in OTHER_BACKENDS else received} ({choice.reason})",
        fix=fix,
    )


def facts_here() -> Facts:
    """Return the facts of this process."""
    keras: Any = sys.modules.get("keras")
    installed = installed_backends()
    gpus = _gpus(os.environ.get(VARIABLE), os.environ.get("PATH"))
    return Facts(
        imported=None if keras is None else str(keras.config.backend()),
        variable=os.environ.get("KERAS_BACKEND") or None,
        configured=_configured(),
        installed=installed,
        cuda=_with_cuda(installed, jax_platforms()) if gpus else (),
        gpus=gpus,
        bfloat16=fast_bfloat16(),
        slow_by=kept_from_fast_bfloat16(),
        onednn=os.environ.get(ONEDNN, "").lower() not in ("0", "false"),
        kept_from_onednn=kept_from_onednn(),
    )


def _configured() -> str | None:
    """The backend in keras.json.

    Keras writes that file itself when it is first imported, and always with "tensorflow": that is nobody's choice.
    """
    file = read_keras_file(os.environ)
    configured = None if file is None else file.settings.get("backend")
    return None if configured in (None, "tensorflow") else str(configured)


@cache
def _with_cuda(installed: tuple[str, ...], platforms: str | None) -> tuple[str, ...]:
    return tuple(filter(has_cuda, installed))


@cache
def _gpus(visible: str | None, path: str | None) -> tuple[GPU, ...]:
    """The visible GPUs; nvidia-smi takes up to seconds, and is asked once. `path` is where it is found."""
    environment: Mapping[str, str] = {} if visible is None else {VARIABLE: visible}
    return tuple(visible_gpus(environment))


def device_in_use(backend: str) -> Device:
    """Return what an imported backend computes on.

    Raises:
        TrainingError: it cannot use any device.
    """
    find = {"tensorflow": _tensorflow_device, "jax": _jax_device, "torch": _torch_device}.get(backend, _no_device)
    try:
        return find()
    except Exception as error:  # of JAX also AssertionError
        raise unusable(backend, error) from error


def unusable(backend: str, error: Exception) -> TrainingError:
    """Return the error of a backend that is installed and does not work."""
    platforms = jax_platforms() if backend == "jax" else None
    return TrainingError(
        f"{TITLES.get(backend, backend)} cannot be used here",
        expected="a backend that can be imported and finds a device",
        received=(str(error).strip().splitlines() or [type(error).__name__])[0],
        fix="`glueft env` says more" + ("" if platforms is None else f"; JAX_PLATFORMS={platforms} may be why"),
    )


def _no_device() -> Device:
    return Device(is_cuda=False)


def _tensorflow_device() -> Device:
    library: Any = sys.modules["tensorflow"]
    details = [
        library.config.experimental.get_device_details(gpu) for gpu in library.config.list_physical_devices("GPU")
    ]
    # AMD's GPUs have no compute capability there.
    return cuda_device(
        [(each["compute_capability"], each.get("device_name")) for each in details if each.get("compute_capability")],
        others=bool(details),
    )


def _jax_device() -> Device:
    found, devices = [], sys.modules["jax"].devices()
    for device in devices:
        # AMD's have a name there, such as "gfx90a".
        major, _, minor = str(getattr(device, "compute_capability", "")).partition(".")
        if device.platform == "gpu" and major.isdecimal() and minor.isdecimal():
            found.append(((int(major), int(minor)), str(device.device_kind)))
    return cuda_device(found, others=any(device.platform != "cpu" for device in devices))


def _torch_device() -> Device:
    library: Any = sys.modules["torch"]
    if not library.cuda.is_available() or library.version.cuda is None:
        return Device(is_cuda=False)
    return cuda_device(
        [
            (tuple(library.cuda.get_device_capability(number)), library.cuda.get_device_name(number))
            for number in range(library.cuda.device_count())
        ]
    )


def cuda_device(gpus: Sequence[tuple[tuple[int, int], str | None]], *, others: bool = False) -> Device:
    """Return what a backend computes on.

    Args:
        gpus: those of NVIDIA that it sees, each by compute capability and model.
        others: whether it sees any device but the CPU.
    """
    capability, model = min(gpus, key=lambda gpu: gpu[0], default=(None, None))
    return Device(bool(gpus), model, capability, is_other=others and not gpus)
