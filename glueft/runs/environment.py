"""The machine and the packages that a run's numbers come from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from contextlib import suppress

from glueft.runs.record import Host

# The packages whose versions can change a number.
RECORDED_PACKAGES = (
    "glueft", "tensorflow", "jax", "torch", "keras", "transformers", "tokenizers", "datasets", "evaluate", "numpy",
    "scikit-learn", "scipy", "safetensors",
)  # fmt: skip


def describe_host() -> Host:
    """Return what run.json says of the machine."""
    return Host(name=platform.node(), system=platform.platform(), cpus=os.cpu_count(), python=platform.python_version())


def installed_versions() -> dict[str, str]:
    """Return the version of each recorded package that is installed."""
    versions = {}
    for package in RECORDED_PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def peak_memory() -> int | None:
    """Return the most memory (RSS) that the process has held, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes
