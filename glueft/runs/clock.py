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

    Of a run that was resumed they are sums over its processes, and `first_step` is that of the first of them. What was
    done again, because it came after the state that was resumed from, counts once.

    Args:
        begin: `time.perf_counter()` at the beginning. For `glueft run` that is the start of the process.

    Attributes:
        seconds: of the phases that this process has ended.
        before: the readings of the processes before this one.
    """

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.seconds: dict[str, float] = {}
        self.before: dict[str, float] = {}
        self._running: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, begin: float | None = None) -> Iterator[None]:
        """Time a phase; `begin` where it began before the block."""
        self._running[name] = begin = time.perf_counter() if begin is None else begin
        try:
            check()
            yield
            check()
        finally:
            del self._running[name]
            self.seconds[name] = time.perf_counter() - begin

    def first_step(self, end: float) -> None:
        """Note when the first step of this process ended, by `time.perf_counter()`."""
        self.seconds["first_step"] = end - self.begin

    def readings(self) -> dict[str, float]:
        """Return the seconds of every phase, running ones included, and `total`, to the millisecond."""
        now = time.perf_counter()
        here = self.seconds | {name: now - begin for name, begin in self._running.items()}
        here["total"] = now - self.begin
        sums = {name: self.before.get(name, 0.0) + here.get(name, 0.0) for name in self.before | here}
        if "first_step" in self.before:
            sums["first_step"] = self.before["first_step"]
        return {name: round(value, 3) for name, value in sums.items()}


def now() -> str:
    """Return the time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
