"""How long each step took, and how much of that went into compiling. Importing this module imports Keras."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from glueft.system.interruption import check


class StepTimes:
    """The seconds of every train and predict step, by what the step was fed.

    Args:
        by_shape: whether each input shape has a program of its own, as under JAX and XLA; else one program serves all
            steps of a kind, as TensorFlow's graphs do.
    """

    def __init__(self, *, by_shape: bool) -> None:
        self.by_shape = by_shape
        self.seconds: defaultdict[str, defaultdict[tuple[int, int], list[float]]]
        self.seconds = defaultdict(lambda: defaultdict(list))

    def add(self, kind: str, shape: tuple[int, int], seconds: float) -> None:
        """Note a step: "train" or "predict", the (rows, width) of its batch, and its seconds."""
        self.seconds[kind][shape if self.by_shape else (0, 0)].append(seconds)

    def compile_seconds(self) -> float:
        """Return the seconds spent on making programs: tracing, compiling, and what else a first step does.

        A program is made in the first step that needs it. What that step takes beyond a usual one counts; a usual one
        is the median of the other steps of its kind and shape, or of its kind if there is no other of the shape. Where
        there is none of either, all of the first step counts.
        """
        return sum(sum(self.programs(kind)) for kind in self.seconds)

    def programs(self, kind: str) -> list[float]:
        """Return the seconds that the making of each program of a kind took, in the order of their first steps."""
        shapes = self.seconds[kind].values()
        others = [seconds for steps in shapes for seconds in steps[1:]]
        usual = float(np.median(others)) if others else 0.0
        return [max(0.0, steps[0] - (float(np.median(steps[1:])) if steps[1:] else usual)) for steps in shapes]


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the steps of one `fit` or `predict`, each from the end of the one before it: reading the batch counts."""

    def __init__(self, times: StepTimes, measures: NDArray[np.int64]) -> None:
        super().__init__()
        self.times = times
        self.shapes = [(int(rows), int(width)) for rows, width, *_ in measures]
        self.step = 0
        self.last = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the watch."""
        check()
        self.last = time.perf_counter()

    on_predict_begin = on_train_begin

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop it for a train step, once the step's loss is there: the backend may run ahead."""
        float((logs or {})["loss"])
        self._stop("train")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop it for a predict step, once its logits are there."""
        np.asarray((logs or {})["outputs"])
        self._stop("predict")

    def _stop(self, kind: str) -> None:
        now = time.perf_counter()
        self.times.add(kind, self.shapes[self.step], now - self.last)
        self.step += 1
        self.last = now
        check()
