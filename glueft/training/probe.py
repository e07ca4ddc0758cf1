"""Times a few real steps and extrapolates to a whole run. Importing this module imports Keras."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.encoder.word_embeddings import known_words
from glueft.training import engine
from glueft.training.devices import distributed
from glueft.training.feed import feed
from glueft.training.out_of_memory import memory_for_prediction

AnyBatches = TypeVar("AnyBatches", TrainingBatches, EvaluationBatches)

# Timed steps of each kind, from the largest batch of the run to the smallest. So many because memory grows with the
# number of shapes that a process has seen, and because a step on a busy machine may take twice its time.
STEPS = 24

# If every shape is compiled, which takes seconds, two sizes are tried several times.
COMPILED_SIZES, COMPILED_STEPS = 2, 8

# The probe stops after so many seconds, for large models on small machines, but not before a step that made no program:
# compiling takes longer on a GPU. The largest batch always comes first.
SECONDS = 30.0


@dataclass(frozen=True)
class Cost:
    """The estimated time of all steps of one kind.

    Attributes:
        steps: how many were timed.
        first_seconds: of the very first one, in which the step is traced or compiled.
        compile_seconds: of making the programs for all shapes of the run.
        seconds: of all steps of the run, without compiling.
    """

    steps: int
    first_seconds: float
    compile_seconds: float
    seconds: float


def probe_training(model: keras.Model, batches: TrainingBatches) -> Cost:
    """Train on some of the batches, the largest first. The model cannot be used afterwards."""

    def fit(few: TrainingBatches, steps: int, watch: ProbeWatch) -> None:
        with feed(few) as fed:
            model.fit(fed, steps_per_epoch=steps, callbacks=[watch], shuffle=False, verbose=0)

    return probe(model, batches, fit)


def probe_evaluation(model: keras.Model, batches: EvaluationBatches) -> Cost:
    """Predict some of the batches, the largest first."""

    def predict(few: EvaluationBatches, steps: int, watch: ProbeWatch) -> None:
        with known_words(model), memory_for_prediction(model, few), feed(few) as fed:
            model.predict(fed, steps=steps, callbacks=[watch], verbose=0)

    return probe(model, batches, predict)


def probe(model: keras.Model, batches: AnyBatches, work: Callable[[AnyBatches, int, ProbeWatch], None]) -> Cost:
    """Time some of the batches, and extrapolate to all.

    Args:
        model: compiled.
        batches: all of them.
        work: runs the chosen batches; gets them, their number, and the watch to add to its callbacks.
    """
    if isinstance(batches, EvaluationBatches):
        batches = engine.fill(batches, model)
    shapes = batches.shapes()
    times = engine.step_times(model)
    chosen = choose(shapes, by_shape=times.by_shape)
    few = batches.only(chosen)
    watch = ProbeWatch(times, few.shapes(), ahead=False)
    with distributed(model.distribution):
        work(few, len(chosen), watch)
    return extrapolate(watch, shapes)


class ProbeWatch(engine.Stopwatch):
    """Keeps the seconds of every step, and stops after `SECONDS`."""

    def on_train_begin(self, logs: object = None) -> None:
        super().on_train_begin()
        self.begin = time.perf_counter()
        self.laps: list[float] = []

    on_predict_begin = on_train_begin

    def _note(self, kind: str, seconds: float) -> None:
        super()._note(kind, seconds)
        self.laps.append(seconds)
        programs = len(set(self.shapes[: self.step])) if self.times.by_shape else 1
        if self.step > programs and time.perf_counter() - self.begin > SECONDS:
            self.model.stop_training = self.model.stop_predicting = True


def choose(shapes: NDArray[np.int64], *, by_shape: bool) -> NDArray[np.int64]:
    """Return the numbers of the batches to try: in several sweeps from the largest to the smallest.

    Args:
        shapes: rows and padded length of each batch, (batches, 2).
        by_shape: whether each shape is compiled; then few are tried.
    """
    sizes, steps = (COMPILED_SIZES, COMPILED_STEPS) if by_shape else (STEPS, STEPS)
    order = np.argsort(-shapes[:, 0] * shapes[:, 1], kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, sizes).round().astype(int))
    # Sweeps, so that a probe that stops early has seen the whole range.
    sweeps = np.concatenate([places[start::4] for start in (0, 2, 1, 3)])
    return order[np.resize(sweeps, steps)]


def extrapolate(watch: ProbeWatch, all_shapes: NDArray[np.int64]) -> Cost:
    """Return the cost of all batches: seconds as a linear function of the tokens of a batch, fitted to the probe."""
    laps = np.array(watch.laps)
    shapes = watch.shapes[: len(laps)]
    tokens = np.array([rows * width for rows, width in shapes], dtype=float)
    by_shape = watch.times.by_shape
    # Steps that made a program: the first of each shape, or the first of all.
    fresh = np.array([shape not in shapes[:step] if by_shape else step == 0 for step, shape in enumerate(shapes)])
    usual = ~fresh if not fresh.all() else fresh
    start, slope = line(tokens[usual], laps[usual])
    making = np.maximum(0.0, laps[fresh] - start - slope * tokens[fresh])
    programs = len(np.unique(all_shapes, axis=0)) if by_shape else 1
    return Cost(
        steps=len(laps),
        first_seconds=float(laps[0]),
        compile_seconds=float(making.mean()) * programs,
        seconds=float((start + slope * all_shapes[:, 0] * all_shapes[:, 1]).sum()),
    )


def line(tokens: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Return the intercept and slope of seconds over tokens, neither below 0, by the robust Theil-Sen estimator."""
    if len(np.unique(tokens)) > 1:
        from scipy.stats import theilslopes

        slope, start, *_ = theilslopes(seconds, tokens, method="joint")
        if start >= 0 and slope >= 0:
            return float(start), float(slope)
    return 0.0, float(np.median(seconds / tokens))
