"""Which backends of Keras are installed, and which of them can use an NVIDIA GPU; none of them is imported."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import re
from contextlib import suppress
from pathlib import Path

# Those that train, in the order in which "auto" takes them where there is no GPU.
TRAINING_BACKENDS = ("tensorflow", "jax", "torch")
TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
# How each is installed: for the processor, and with what it needs on an NVIDIA GPU.
PIP = {
    "tensorflow": "pip install tensorflow",
    "jax": "pip install 'glueft[jax]'",
    "torch": "pip install torch",
}
PIP_CUDA = {
    "tensorflow": "pip install 'glueft[cuda]'",
    "jax": "pip install 'glueft[jax-cuda]'",
    "torch": "pip install torch",
}
# What TensorFlow opens of CUDA when it looks for GPUs. If one is missing it sees none (gpu_device.cc,
# dso_loader.cc); the packages are those of tensorflow[and-cuda].
TENSORFLOW_PACKAGES = (
    "nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu12", "nvidia-cufft-cu12", "nvidia-cusolver-cu12",
    "nvidia-cusparse-cu12",
)  # fmt: skip
IS_CUDA_BUILD = "('is_cuda_build', True)"  # in TensorFlow's build_info.py
# JAX's own variables, the older one last: the platforms that it may use, all if empty.
JAX_PLATFORMS = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")


def is_installed(backend: str) -> bool:
    """Whether a backend can be imported, as far as the import system tells."""
    try:
        return importlib.util.find_spec(backend) is not None
    except ValueError:  # imported, and without a spec
        return True


def installed_backends() -> tuple[str, ...]:
    """Return those of `TRAINING_BACKENDS` that are installed, in their order."""
    return tuple(name for name in TRAINING_BACKENDS if is_installed(name))


def has_cuda(backend: str) -> bool:
    """Whether a backend is installed with what it needs to use an NVIDIA GPU, and is not told to leave it alone."""
    return {"tensorflow": _tensorflow_has_cuda, "jax": _jax_has_cuda, "torch": _torch_has_cuda}[backend]()


def cuda_version(backend: str) -> int | None:
    """Return the major version of the CUDA that a backend is built for; None if it is for the processor alone."""
    if backend == "jax":
        plugins = [plugin.name for folder in _folders("jax_plugins") for plugin in folder.glob("xla_cuda[0-9]*")]
        return max((int(name.removeprefix("xla_cuda")) for name in plugins), default=None)
    if backend == "tensorflow":
        text = _text("tensorflow", "python/platform/build_info.py")
        build = re.search(r"\('cuda_version', '(\d+)", text) if IS_CUDA_BUILD in text else None
    else:
        build = re.search(r"^cuda\b.*= *['\"](\d+)", _text("torch", "version.py"), re.MULTILINE)
    return None if build is None else int(build[1])


def jax_platforms() -> str | None:
    """Return the platforms to which the environment limits JAX, such as "cpu"; None if it does not."""
    return next((os.environ[name] for name in JAX_PLATFORMS if os.environ.get(name)), None)


def _jax_has_cuda() -> bool:
    """Whether a plugin package such as jax-cuda13-plugin is there; JAX finds it in the namespace `jax_plugins`."""
    platforms = jax_platforms()
    if platforms is not None and not {"cuda", "gpu"} & {name.strip() for name in platforms.split(",")}:
        return False
    folders = _folders("jax_plugins") if is_installed("jax") else []
    return any(True for folder in folders for _ in folder.glob("xla_cuda*"))


def _tensorflow_has_cuda() -> bool:
    """Whether the wheel is built with CUDA, and the libraries are there: as packages, or found by the system."""
    build = _text("tensorflow", "python/platform/build_info.py")
    if IS_CUDA_BUILD not in build:
        return False
    if all(map(_has_package, TENSORFLOW_PACKAGES)):
        return True
    cuda, cudnn = (re.search(rf"\('{name}_version', '(\d+)", build) for name in ("cuda", "cudnn"))
    if cuda is None or cudnn is None:
        return False
    try:
        for library in (f"libcudart.so.{cuda[1]}", f"libcublas.so.{cuda[1]}", f"libcudnn.so.{cudnn[1]}"):
            ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _torch_has_cuda() -> bool:
    return cuda_version("torch") is not None


def _has_package(name: str) -> bool:
    with suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(name))
    return False


def _folders(package: str) -> list[Path]:
    """The folders of a package that is not imported."""
    spec = None
    with suppress(ValueError):
        spec = importlib.util.find_spec(package)
    return [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]


def _text(package: str, file: str) -> str:
    """A file of a package; empty if it is not there."""
    for folder in _folders(package):
        with suppress(OSError, UnicodeDecodeError):
            return (folder / file).read_text(encoding="utf-8")
    return ""
