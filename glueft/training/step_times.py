"""How long each step took, and how much of that went into compiling."""

from __future__ import annotations

import statistics
from collections import defaultdict


class StepTimes:
    """The seconds of every train and predict step, by the shape of its batch.

    Args:
        by_shape: whether each input shape has a program of its own, as under JAX and XLA; else one program serves all
            steps of a kind, as with TensorFlow's graphs.
    """

    def __init__(self, *, by_shape: bool) -> None:
        self.by_shape = by_shape
        self.seconds: defaultdict[str, defaultdict[tuple[int, int], list[float]]]
        self.seconds = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, shape: tuple[int, int], seconds: float) -> None:
        """Note a step: "train" or "predict", the (rows, padded length) of its batch, and its seconds."""
        self.seconds[kind][shape if self.by_shape else (0, 0)].append(seconds)

    def compile_seconds(self) -> float:
        """Return the seconds spent on making programs: tracing, compiling, and what else a first step does.

        A program is made in the first step that needs it. What that step takes beyond a usual one counts. A usual one
        is the median of the other steps of its kind and shape, else of its kind; without any, all of it counts.
        """
        return sum(sum(self.programs(kind)) for kind in self.seconds)

    def programs(self, kind: str) -> list[float]:
        """Return the seconds that making each program of a kind took, in the order of their first steps."""
        shapes = self.seconds[kind].values()
        others = [seconds for steps in shapes for seconds in steps[1:]]
        usual = statistics.median(others) if others else 0.0
        return [max(0.0, steps[0] - (statistics.median(steps[1:]) if steps[1:] else usual)) for steps in shapes]
