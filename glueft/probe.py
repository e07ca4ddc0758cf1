"""A few real steps, timed, and what they say of a whole run. Importing this module imports Keras."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from glueft import engine
from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.step_times import Stopwatch

# A step's cost follows the width of its batch closely, so a few widths tell of all; each is timed several times,
# as a single step on a busy machine may take twice its time.
SIZES = 6
REPEATS = 4

# Where every shape is compiled, which takes seconds, fewer are tried.
COMPILED_SIZES = 2

# The probe stops after the step in which it has taken so many seconds: a large model on a small machine shall not
# keep its user for minutes. The largest batch always comes first.
SECONDS = 30.0


@dataclass(frozen=True)
class Cost:
    """What the steps of one kind cost, from those of the probe.

    Attributes:
        steps: how many were timed.
        first_seconds: of the very first, in which the step is traced or compiled.
        compile_seconds: what making the programs of all the run's shapes takes.
        seconds: of all steps of the run together, compiling left out.
    """

    steps: int
    first_seconds: float
    compile_seconds: float
    seconds: float


def probe_training(model: keras.Model, batches: TrainingBatches) -> Cost:
    """Train on some of the batches, the largest first; the model and its optimizer are spent afterwards."""
    measures = batches.measures()
    times = engine.step_times(model)
    chosen = choose(measures, sizes=COMPILED_SIZES if times.by_shape else SIZES)
    few = batches.only(chosen)
    watch = ProbeWatch(times, few.measures())
    model.fit(engine.feed(few), steps_per_epoch=len(chosen), callbacks=[watch], shuffle=False, verbose=0)
    return extrapolate(watch, measures, "train")


def probe_evaluation(model: keras.Model, batches: EvaluationBatches) -> Cost:
    """Predict some of the batches, the largest first."""
    measures = batches.measures()
    times = engine.step_times(model)
    chosen = choose(measures, sizes=COMPILED_SIZES if times.by_shape else SIZES)
    few = batches.only(chosen)
    watch = ProbeWatch(times, few.measures())
    model.predict(engine.feed(few), steps=len(chosen), callbacks=[watch], verbose=0)
    return extrapolate(watch, measures, "predict")


class ProbeWatch(Stopwatch):
    """Keeps every step's seconds with its batch, and stops when the probe has taken long enough."""

    def on_train_begin(self, logs: object = None) -> None:
        """Start the watch."""
        super().on_train_begin()
        self.begin = time.perf_counter()
        self.laps: list[float] = []

    on_predict_begin = on_train_begin

    def _stop(self, kind: str) -> None:
        before = self.last
        super()._stop(kind)
        self.laps.append(self.last - before)
        if self.last - self.begin > SECONDS:
            self.model.stop_training = self.model.stop_predicting = True


def choose(measures: NDArray[np.int64], *, sizes: int) -> NDArray[np.int64]:
    """Return the batches to try, the largest first: some of every size, from the smallest to the largest, in turns.

    Args:
        measures: rows and width of each batch, (batches, 2 or more).
        sizes: how many sizes to try.
    """
    order = np.argsort(-measures[:, 0] * measures[:, 1], kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, sizes).round().astype(int))
    return np.tile(order[places], REPEATS)


def extrapolate(watch: ProbeWatch, measures: NDArray[np.int64], kind: str) -> Cost:
    """Return what all batches cost, from those that were timed: by a straight line over the tokens of a batch."""
    laps = np.array(watch.laps)
    tokens = np.array([rows * width for rows, width in watch.shapes[: len(laps)]], dtype=float)
    first = {shape: step for step, shape in reversed(list(enumerate(watch.shapes[: len(laps)])))}
    fresh = np.isin(np.arange(len(laps)), list(first.values()) if watch.times.by_shape else [0])
    programs = watch.times.programs(kind)
    shapes = len(np.unique(measures[:, :2], axis=0)) if watch.times.by_shape else 1
    # A probe that ended with its first step has nothing but that one.
    usual = ~fresh if not fresh.all() else fresh
    a, b = line(tokens[usual], laps[usual])
    return Cost(
        steps=len(laps),
        first_seconds=float(laps[0]),
        compile_seconds=math.fsum(programs) / len(programs) * shapes,
        seconds=float((a + b * measures[:, 0] * measures[:, 1]).sum()),
    )


def line(tokens: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Return the seconds of a step of no tokens, and those of each token, neither below 0.

    The line goes by the median of each size, which a single disturbed step does not move, and by least squares.
    """
    sizes = np.unique(tokens)
    medians = np.array([np.median(seconds[tokens == size]) for size in sizes])
    if len(sizes) > 1:
        b, a = np.polyfit(sizes, medians, 1)
        if a >= 0 and b >= 0:
            return float(a), float(b)
    through_zero = float(medians @ sizes / (sizes @ sizes))
    return 0.0, through_zero
