"""How fast a training goes, and how long it still takes."""

from __future__ import annotations

from collections import deque

from glueft.training.observers import StepReport

# The mean is over so many steps.
STEPS = 100


class Pace:
    """A moving mean of the last steps; the first step of a process, which traces the model, has no part in it."""

    def __init__(self) -> None:
        self._reports: deque[StepReport] = deque(maxlen=STEPS + 1)

    def add(self, report: StepReport) -> None:
        """Take note of a step; call it for each."""
        self._reports.append(report)

    def seconds_left(self, num_train_steps: int) -> float | None:
        """Estimate the seconds of steps still to come; None before the second step."""
        steps, seconds, _ = self._last()
        return None if steps == 0 else seconds / steps * (num_train_steps - self._reports[-1].step)

    def examples_per_second(self) -> float | None:
        """Return the rows trained on in a second; None before the second step."""
        steps, seconds, examples = self._last()
        return None if steps == 0 or seconds <= 0 else examples / seconds

    def _last(self) -> tuple[int, float, int]:
        """The steps of the mean, their seconds and their rows."""
        if len(self._reports) < 2:
            return 0, 0.0, 0
        first, last = self._reports[0], self._reports[-1]
        return last.step - first.step, last.seconds - first.seconds, last.examples - first.examples
