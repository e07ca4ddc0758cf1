"""How fast a training goes, and how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from glueft.training.observers import StepReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The mean is over so many steps, and over so many evaluations.
STEPS, EVALUATIONS = 100, 10


class Pace:
    """A moving mean of the last steps, and one of the last evaluations.

    The first step of a process, which traces the model, has no part in it. Nor has the first evaluation.

    Args:
        evaluated: for each step of the run whether an evaluation follows it, (steps,); None if none ever does.
    """

    def __init__(self, evaluated: NDArray[np.bool_] | None = None) -> None:
        self._evaluated = evaluated
        self._reports: deque[StepReport] = deque(maxlen=STEPS + 1)
        self._evaluations: deque[float] = deque(maxlen=EVALUATIONS)
        self._is_traced = False
        self._stepped = time.perf_counter()

    def add(self, report: StepReport) -> None:
        """Take note of a step; call it for each."""
        self._reports.append(report)
        self._stepped = time.perf_counter()

    def add_evaluation(self) -> None:
        """Take note of an evaluation that has just ended, with what else came after the last step."""
        if self._is_traced:
            self._evaluations.append(time.perf_counter() - self._stepped)
        self._is_traced = True

    def seconds_left(self, num_train_steps: int) -> float | None:
        """Estimate the seconds of steps still to come, and of evaluations once two are done; None before step 2."""
        steps, seconds, _ = self._last()
        if steps == 0:
            return None
        done, evaluations = self._reports[-1].step, 0.0
        if self._evaluations and self._evaluated is not None:
            each = sum(self._evaluations) / len(self._evaluations)
            evaluations = each * int(self._evaluated[done:].sum())
        return seconds / steps * (num_train_steps - done) + evaluations

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
