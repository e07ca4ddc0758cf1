"""How long each step took, and how much of that went into compiling."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence


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


# A backend that returns before a step is done is waited for after about so many seconds of steps, and so many steps at
# most: a device always has the next steps at hand, and losses, interruptions and callbacks do not come late.
AHEAD_SECONDS = 0.25
AHEAD_STEPS = 64


class Lookahead:
    """Decides when to wait for the results of steps.

    The first step of each shape is waited for alone, so that what it takes is known: a program is compiled for it.

    Args:
        shapes: the (rows, padded length) of the batch of each step.
        enabled: whether the backend returns before a step is done; else each is waited for.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], *, enabled: bool) -> None:
        self.shapes = shapes
        self.enabled = enabled
        self.steps = 1
        self.seen: set[tuple[int, int]] = set()

    def is_due(self, step: int, waiting: int) -> bool:
        """Whether to wait now: `step` steps have begun, the results of the last `waiting` ones are not there."""
        if not self.enabled or waiting >= self.steps or step >= len(self.shapes):
            return True
        return any(shape not in self.seen for shape in self.shapes[step - 1 : step + 1])

    def waited(self, step: int, steps: int, seconds: float) -> None:
        """Note that the last `steps` steps took so many seconds, until their results were there."""
        shape = self.shapes[step - 1]
        if shape in self.seen:
            self.steps = int(min(max(AHEAD_SECONDS * steps / max(seconds, 1e-9), 1), AHEAD_STEPS))
        self.seen.add(shape)
