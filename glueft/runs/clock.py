"""The times of a run: seconds by phase, and moments in UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from glueft.system.interruption import check


class Clock:
    """Seconds by phase, and since the beginning: what run.json has as `seconds`.

    `setup` is all that comes before the training, `train` the steps and the validation after each epoch, `evaluate`
    the remaining predictions and the model folder, `total` all of it. Beside these stand `first_step`, from the
    beginning to the end of the first optimizer step, and `compile`, the part of `train` and `evaluate` that went into
    compiling train and predict steps (see `StepTimes.compile_seconds`).

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


def now() -> str:
    """Return the time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
