"""Training steps as `fit` makes them, and predictions, against a matrix product that is run in turn with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from classifier import Bench, rows_of_one_width
from flops import forward_flops, training_flops
from matrix_rate import matrix_flops, matrix_product
from result import Result
from rounds import Seconds, in_turn, timed

from glueft.data.batches import TrainingBatches
from glueft.data.encoding import Encoded
from glueft.encoder.classifier import Classifier
from glueft.training import engine
from glueft.training.feed import feed
from glueft.training.step_times import StepTimes

OUTPUTS = 2


def measure_steps(
    bench: Bench, *, shapes: tuple[tuple[int, int], ...], steps: int, matrix_size: int, rounds: int
) -> list[Result]:
    """Measure training steps on batches of each shape (rows, width), and the prediction of all the sentences."""
    variants = {
        "matrix": matrix_product(matrix_size),
        **{f"{rows} x {width}": fit_steps(bench, rows, width, steps) for rows, width in shapes},
        "predict": timed(lambda: engine.predict(bench.model, bench.sentences, engine.step_times(bench.model))),
    }
    seconds = in_turn(variants, rounds)
    rate = matrix_flops(matrix_size) / seconds["matrix"]
    results = [training_result(bench.model, rows, width, seconds[f"{rows} x {width}"], rate) for rows, width in shapes]
    return [*results, prediction_result(bench.model, bench.sentences.encoded, seconds["predict"], rate)]


def fit_steps(bench: Bench, rows: int, width: int, steps: int) -> Callable[[], float]:
    """Return a function that fits some batches of one shape and returns the seconds of the median step."""
    encoded = rows_of_one_width(bench.training, rows * (steps + 1), width)

    def median_step() -> float:
        batches = TrainingBatches(encoded, batch_size=rows, epochs=1, seed=0)
        times = StepTimes(by_shape=False)
        watch = engine.Stopwatch(times, batches.shapes())
        with feed(batches) as fed:
            bench.model.fit(fed, steps_per_epoch=steps + 1, callbacks=[watch], shuffle=False, verbose=0)
        (laps,) = times.seconds["train"].values()
        return float(np.median(laps[1:]))  # the first one starts the feed

    return median_step


def training_result(model: Classifier, rows: int, width: int, seconds: Seconds, rate: Seconds) -> Result:
    """Return the line of one shape."""
    flops = training_flops(model.config, rows, width, OUTPUTS)
    floor = flops / rate
    return Result(
        name=f"train step, {rows} rows of {width} tokens",
        value=f"{np.median(seconds) * 1e3:,.0f} ms, {np.median(flops / seconds) / 1e9:,.0f} GFLOP/s",
        floor=f"{np.median(floor) * 1e3:,.0f} ms, {flops / 1e9:,.1f} GFLOP at {np.median(rate) / 1e9:,.0f} GFLOP/s",
        seconds=seconds,
        floor_seconds=floor,
        numbers={
            "flops": flops,
            "gflops_per_second": float(np.median(flops / seconds)) / 1e9,
            "matrix_gflops_per_second": float(np.median(rate)) / 1e9,
        },
    )


def prediction_result(model: Classifier, encoded: Encoded, seconds: Seconds, rate: Seconds) -> Result:
    """Return the line of the predictions. Padding is no part of the floor: each row counts with its own length."""
    flops = sum(forward_flops(model.config, 1, int(length), OUTPUTS) for length in encoded.lengths)
    speed = len(encoded) / float(np.median(seconds))
    floor = len(encoded) / float(np.median(flops / rate))
    return Result(
        name=f"predict {len(encoded):,} sentences of {encoded.lengths.mean():.1f} tokens",
        value=f"{speed:,.0f} examples/s, {np.median(flops / seconds) / 1e9:,.0f} GFLOP/s",
        floor=f"{floor:,.0f} examples/s, {flops / 1e9:,.1f} GFLOP at {np.median(rate) / 1e9:,.0f} GFLOP/s",
        seconds=seconds,
        floor_seconds=flops / rate,
        numbers={
            "flops": flops,
            "examples_per_second": speed,
            "gflops_per_second": float(np.median(flops / seconds)) / 1e9,
            "matrix_gflops_per_second": float(np.median(rate)) / 1e9,
        },
    )
