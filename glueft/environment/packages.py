"""The installed packages that matter, and which of them do not fit together."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.runs.environment import RECORDED_PACKAGES
from glueft.training.installed_backends import TRAINING_BACKENDS

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Whose requirements are checked, and whose versions are told beside those that a run records.
BACKEND_PACKAGES = (
    "tensorflow", "tensorflow-cpu", "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda12-pjrt", "jax-cuda13-plugin",
    "jax-cuda13-pjrt", "jax-rocm7-plugin", "libtpu", "torch",
)  # fmt: skip
OTHERS = ("huggingface-hub", "pyarrow", "pydantic", "pluggy", "onnx", "onnxruntime", "optuna", "ray", "submitit")
# NVIDIA's libraries, which the backends need on a GPU, come as packages of their own.
NVIDIA = "nvidia-"


@dataclass(frozen=True)
class Misfit:
    """A package that is installed in another version than one that needs it asks for, or is missing.

    Attributes:
        package: the one that needs it.
        requirement: what it asks for, such as "keras<4,>=3.15".
        installed: the version that is there; None if it is missing.
    """

    package: str
    requirement: str
    installed: str | None


def installed_packages() -> dict[str, str]:
    """Return the version of each package that matters and is installed."""
    wanted = [*RECORDED_PACKAGES, *BACKEND_PACKAGES, *OTHERS]
    for package in BACKEND_PACKAGES:
        wanted += sorted(need.name for need, _ in _needs(package) if need.name.startswith(NVIDIA))
    return {name: version for name in dict.fromkeys(wanted) if (version := _version(name)) is not None}


def misfits(packages: Container[str]) -> list[Misfit]:
    """Return what glueft, Keras and the backends among some packages ask for and do not get.

    What an extra asks for may be missing, and so may a backend; of NVIDIA's libraries the version counts, if they are
    there.
    """
    found = [Misfit("keras", "packaging", None)] if _version("packaging") is None else []
    for package in ("glueft", "keras", *BACKEND_PACKAGES):
        for need, is_extra in _needs(package) if package in packages else ():
            installed = _version(need.name)
            if is_extra and (installed is None or not need.name.startswith(NVIDIA)):
                continue
            if installed is None and need.name in TRAINING_BACKENDS:
                continue  # another one may be used
            if installed is None or not need.specifier.contains(installed, prereleases=True):
                found.append(Misfit(package, f"{need.name}{need.specifier}", installed))
    return found


def _needs(package: str) -> Iterator[tuple[Requirement, bool]]:
    """Yield what a package asks for here, and whether only an extra of it does."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:  # `misfits` tells
        return
    with suppress(importlib.metadata.PackageNotFoundError):
        for line in importlib.metadata.requires(package) or ():
            with suppress(InvalidRequirement):
                need = Requirement(line)
                is_asked = need.marker is None or need.marker.evaluate({"extra": ""})
                yield need, not is_asked


def _version(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None
