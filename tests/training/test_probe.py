"""Which steps a probe takes, and what it makes of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from glueft.training.probe import STEPS, ProbeWatch, choose, extrapolate, line
from glueft.training.step_times import StepTimes

SHAPES = np.array([[8, width] for width in (40, 90, 64, 20, 33, 64)] + [[3, 100]])


def test_the_largest_batch_comes_first_and_the_smallest_is_among_them() -> None:
    chosen = choose(SHAPES, by_shape=False)
    assert len(chosen) == STEPS
    assert chosen[0] == 1
    assert set(chosen.tolist()) == set(range(len(SHAPES)))


def test_many_batches_are_tried_in_sweeps_over_all_sizes() -> None:
    widths = np.random.default_rng(0).permutation(np.arange(1, 1001))
    chosen = choose(np.stack([np.full(1000, 8), widths], axis=1), by_shape=False)
    assert len(set(chosen.tolist())) == STEPS
    tried = widths[chosen]
    assert tried[0] == 1000 and tried.min() == 1
    assert tried[: STEPS // 4].min() < 200  # an early end leaves no part of the range out


def test_few_shapes_are_tried_where_each_is_compiled() -> None:
    chosen = choose(SHAPES, by_shape=True)
    assert chosen[0] == 1
    assert len(set(chosen.tolist())) == 2 < len(chosen)


def test_one_batch_is_tried_again_and_again() -> None:
    assert choose(SHAPES[:1], by_shape=False).tolist() == [0] * STEPS


def test_the_line_through_steps() -> None:
    tokens = np.arange(100.0, 700.0, 50)
    seconds = 0.5 + 0.01 * tokens
    seconds[[2, 7, 8]] *= 10  # disturbed steps
    assert line(tokens, seconds) == pytest.approx((0.5, 0.01))
    assert line(tokens[:1], seconds[:1]) == pytest.approx((0, 0.015))


@pytest.mark.parametrize("seconds", [[3.0, 2.0], [0.1, 2.0]])
def test_a_line_never_goes_below_zero(seconds: list[float]) -> None:
    start, slope = line(np.array([100.0, 200.0]), np.array(seconds))
    assert start == 0
    assert slope == pytest.approx((seconds[0] / 100 + seconds[1] / 200) / 2)


def watched(by_shape: bool, steps: int) -> ProbeWatch:
    """The watch of a probe whose steps took 0.1 s and a millisecond a token, and the first of a program 5 s more."""
    chosen = choose(SHAPES, by_shape=by_shape)
    watch = ProbeWatch(StepTimes(by_shape=by_shape), SHAPES[chosen])
    seen = set()
    watch.laps = []
    for shape in watch.shapes[:steps]:
        program = shape if by_shape else None
        lap = 0.1 + 0.001 * shape[0] * shape[1] + (5 if program not in seen else 0)
        seen.add(program)
        watch.laps.append(lap)
    return watch


@pytest.mark.parametrize(("by_shape", "programs"), [(False, 1), (True, 6)])
def test_all_steps_from_a_few(by_shape: bool, programs: int) -> None:
    cost = extrapolate(watched(by_shape, STEPS), SHAPES)
    assert cost.steps == (8 if by_shape else STEPS)
    assert cost.seconds == pytest.approx(0.1 * len(SHAPES) + 0.001 * (SHAPES[:, 0] * SHAPES[:, 1]).sum())
    # One program for all steps, or one for each of the shapes: 64 occurs twice.
    assert cost.compile_seconds == pytest.approx(5 * programs)
    assert cost.first_seconds == pytest.approx(5 + 0.1 + 0.72)


def test_a_probe_that_ended_with_its_first_step() -> None:
    cost = extrapolate(watched(False, 1), SHAPES)
    tokens = SHAPES[:, 0] * SHAPES[:, 1]
    assert cost.seconds == pytest.approx(5.82 * tokens.sum() / 720)


@pytest.mark.parametrize(("by_shape", "steps"), [(False, 2), (True, 3)])
def test_a_probe_without_time_ends_with_a_step_that_made_no_program(
    by_shape: bool, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glueft.training.probe.SECONDS", 0.0)
    watch = ProbeWatch(StepTimes(by_shape=by_shape), SHAPES[choose(SHAPES, by_shape=by_shape)], ahead=False)
    watch.set_model(SimpleNamespace(stop_training=False))
    watch.on_train_begin()
    while not watch.model.stop_training:
        watch.on_train_batch_end(watch.step, {"loss": 0.0})
    assert watch.step == steps
