"""What run.json says of a run beside its results: who ran what, where, and for how long."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.plugin.origin import origin_of
from glueft.runs.record import Record
from glueft.system.interruption import check
from glueft.system.process_identity import process_identity

if TYPE_CHECKING:
    from glueft.runs.run import Run

# The packages whose versions can change a number.
RECORDED_PACKAGES = (
    "glueft", "tensorflow", "jax", "torch", "keras", "transformers", "tokenizers", "datasets", "evaluate", "numpy",
    "scikit-learn", "scipy", "safetensors",
)  # fmt: skip


class Clock:
    """Seconds by phase, and since the beginning: what run.json has as `seconds`.

    `setup` is all that comes before the training, `train` the steps and the validation after each epoch, `evaluate`
    the predictions that are left and the model folder, `total` all of it. Beside these stand `first_step`, from the
    beginning to the end of the first optimizer step, and `compile`, the part of `train` and `evaluate` that went into
    making the programs of train and predict steps (see `StepTimes.compile_seconds`).

    Args:
        begin: `time.perf_counter()` at the beginning. For `glueft run` that is the start of the process.
    """

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, begin: float | None = None) -> Iterator[None]:
        """Time a phase; `begin` where it began before the block."""
        begin = time.perf_counter() if begin is None else begin
        try:
            check()
            yield
            check()
        finally:
            self.seconds[name] = time.perf_counter() - begin

    def readings(self) -> dict[str, float]:
        """Return the seconds of every phase and `total`, to the millisecond."""
        total = time.perf_counter() - self.begin
        return {name: round(value, 3) for name, value in (self.seconds | {"total": total}).items()}


def open_record(run: Run) -> None:
    """Fill in what is known before anything is read."""
    run.record = Record.model_validate(
        {
            "status": "running",
            "task": run.task.name,
            "seed": run.recipe.training.seed,
            "started": now(),
            "run_dir": str(run.folder.resolve()),
            "plugins": {
                "task": run.task.name,
                "optimizer": run.recipe.optimizer.name,
                "schedule": run.recipe.schedule.name,
                "callbacks": [callback.name for callback in run.recipe.callbacks],
                "packages": {
                    "task": origin_of(run.task),
                    "optimizer": origin_of(run.recipe.optimizer),
                    "schedule": origin_of(run.recipe.schedule),
                    "callbacks": [origin_of(callback) for callback in run.recipe.callbacks],
                },
                "files": [{"path": file.path, "sha256": file.sha256} for file in run.recipe.plugin_files],
            },
            "host": describe_host(),
            "process": process_identity(),
            "versions": installed_versions(),
            "warnings": [],
            "metrics": {},
            "epochs": [],
            "seconds": {},
        }
    )


def close_record(run: Run, clock: Clock, error: BaseException | None = None) -> None:
    """Fill in how the run ended, and write run.json."""
    if error is None:
        run.record.status = "done"
    elif isinstance(error, KeyboardInterrupt):
        run.record.status = "interrupted"
    else:
        run.record.status = "failed"
        run.record.error = str(error) if isinstance(error, GlueftError) else f"{type(error).__name__}: {error}"
    run.record.finished = now()
    run.record.seconds = clock.readings()
    run.record.peak_memory_bytes = peak_memory()
    run.close()


def describe_host() -> dict[str, Any]:
    """Return what run.json says of the machine."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def now() -> str:
    """Return the time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def installed_versions() -> dict[str, str]:
    """Return the version of each recorded package that is installed."""
    versions = {}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def peak_memory() -> int | None:
    """Return the most memory (RSS) that the process has held, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes
