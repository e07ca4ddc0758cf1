"""What counts as compiling: the part of a first step that a usual one does not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glueft.training.engine import Stopwatch
from glueft.training.step_times import AHEAD_STEPS, Lookahead, StepTimes

STEPS = [("train", (8, 64), 6.0), ("train", (8, 64), 1.0), ("train", (8, 32), 4.0), ("train", (8, 64), 1.2)]


@pytest.mark.parametrize(
    ("by_shape", "steps", "expected"),
    [
        (False, STEPS, [6.0 - 1.2]),  # one program: the median of the other three steps is 1.2
        (
            True,
            STEPS,
            [6.0 - 1.1, 4.0 - 1.1],
        ),  # the second shape has no other step, and the median of all others serves
        (True, [*STEPS, ("train", (8, 32), 0.5)], [6.0 - 1.1, 4.0 - 0.5]),
        (False, STEPS[:1], [6.0]),
        (True, [*STEPS[:1], ("predict", (64, 64), 0.5)], [6.0]),
        (False, [("train", (8, 64), 1.0), ("train", (8, 64), 2.0)], [0.0]),
    ],
)
def test_compiling_is_what_first_steps_take_beyond_usual_ones(
    by_shape: bool, steps: list[Any], expected: list[float]
) -> None:
    times = StepTimes(by_shape=by_shape)
    for step in steps:
        times.add(*step)
    assert times.programs("train") == pytest.approx(expected)
    others = sum(times.programs("predict"))
    assert times.compile_seconds() == pytest.approx(sum(expected) + others)


def test_train_and_predict_steps_have_programs_of_their_own() -> None:
    times = StepTimes(by_shape=False)
    for kind, seconds in (("train", 5.0), ("train", 1.0), ("predict", 2.0), ("predict", 0.5)):
        times.add(kind, (8, 64), seconds)
    assert times.compile_seconds() == pytest.approx(4.0 + 1.5)
    assert StepTimes(by_shape=True).compile_seconds() == 0


def test_a_stopwatch_measures_from_the_end_of_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("glueft.training.engine.time.perf_counter", lambda: now[0])
    times = StepTimes(by_shape=True)
    watch = Stopwatch(times, np.array([[8, 40], [3, 40]]))
    now[0] = 12.0
    watch.on_predict_begin()
    for passed in (1.0, 0.25):
        now[0] += passed
        watch.on_predict_batch_end(0, {"outputs": np.zeros((8, 2))})
    assert times.seconds["predict"] == {(8, 40): [1.0], (3, 40): [0.25]}


def test_steps_that_run_ahead_are_waited_for_together_but_for_new_shapes() -> None:
    shapes = [(8, 40)] * 12 + [(8, 64)] * 3
    lookahead, waits, waiting = Lookahead(shapes, enabled=True), [], 0
    for step in range(1, len(shapes) + 1):
        waiting += 1
        if lookahead.is_due(step, waiting):
            waits.append((step, waiting))
            lookahead.waited(step, waiting, 0.06 * waiting)
            waiting = 0
    # The first of a shape alone, one more to learn its time, then a quarter of a second of them.
    assert waits == [(1, 1), (2, 1), (6, 4), (10, 4), (12, 2), (13, 1), (15, 2)]
    at_once = Lookahead(shapes, enabled=False)
    assert all(at_once.is_due(step, 1) for step in range(1, 16))


def test_steps_are_never_too_far_ahead() -> None:
    lookahead = Lookahead([(8, 40)] * 1000, enabled=True)
    for seconds in (1.0, 0.0):
        lookahead.waited(1, 1, seconds)
    assert lookahead.steps == AHEAD_STEPS
