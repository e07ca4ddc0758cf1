"""Each schedule value by value against its written formula."""

from __future__ import annotations

import math
from typing import Any

import pytest

import glueft
from glueft.registry import load_registry


def rates(name: str, total_steps: int, steps: range, **options: Any) -> list[float]:
    cls = load_registry().find("schedule", name).cls
    schedule = cls(cls.Options(**options)).build(total_steps)  # type: ignore[attr-defined]
    import numpy as np

    # As Keras calls it: with the optimizer's whole-number step counter.
    return [float(schedule(np.int64(step))) for step in steps]


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_polynomial_decay(power: float) -> None:
    got = rates("polynomial_decay", 10, range(13), initial_learning_rate=5e-5, end_learning_rate=1e-6, power=power)
    wanted = [1e-6 + (5e-5 - 1e-6) * (1 - min(step, 10) / 10) ** power for step in range(13)]
    assert got == pytest.approx(wanted, rel=1e-5, abs=1e-12)
    assert got[0] == pytest.approx(5e-5) and got[10] == pytest.approx(1e-6)


def test_polynomial_decay_is_the_course_s_line_by_default() -> None:
    got = rates("polynomial_decay", 1377, range(0, 1378, 81), initial_learning_rate=5e-5)
    assert got == pytest.approx([5e-5 * (1 - step / 1377) for step in range(0, 1378, 81)], rel=1e-4, abs=1e-12)


def transformers_linear(step: int, warmup: int, total: int) -> float:
    """`_get_linear_schedule_with_warmup_lr_lambda` of transformers 5, as written there."""
    if step < warmup:
        return float(step) / float(max(1, warmup))
    return max(0.0, float(total - step) / float(max(1, total - warmup)))


@pytest.mark.parametrize("warmup", [None, 0, 1, 4, 20])
def test_linear_has_the_values_of_transformers(warmup: int | None) -> None:
    got = rates("linear", 20, range(24), initial_learning_rate=3e-5, warmup_steps=warmup)
    assert got == pytest.approx(
        [3e-5 * transformers_linear(s, warmup or 0, 20) for s in range(24)], rel=1e-5, abs=1e-12
    )


@pytest.mark.parametrize(("ratio", "total"), [(0.06, 100), (0.1, 33), (0.0, 10), (0.999, 10)])
def test_linear_with_a_ratio_rounds_the_warm_up_up(ratio: float, total: int) -> None:
    got = rates("linear", total, range(total + 2), initial_learning_rate=1e-3, warmup_ratio=ratio)
    warmup = math.ceil(total * ratio)
    wanted = [1e-3 * transformers_linear(step, warmup, total) for step in range(total + 2)]
    assert got == pytest.approx(wanted, rel=1e-5, abs=1e-12)


def test_linear_to_an_end_above_zero() -> None:
    got = rates("linear", 10, range(12), initial_learning_rate=1e-3, end_learning_rate=1e-4, warmup_steps=2)
    falling = [1e-4 + 9e-4 * (10 - step) / 8 for step in range(2, 10)]
    assert got == pytest.approx([0.0, 5e-4, *falling, 1e-4, 1e-4], rel=1e-5)


def test_constant() -> None:
    assert rates("constant", 5, range(7), initial_learning_rate=2e-5) == pytest.approx([2e-5] * 7)


@pytest.mark.parametrize("name", ["linear", "constant", "polynomial_decay"])
def test_keras_can_take_a_schedule_apart_and_build_it_again(name: str) -> None:
    cls = load_registry().find("schedule", name).cls
    schedule = cls(cls.Options(initial_learning_rate=1e-3)).build(10)  # type: ignore[attr-defined,call-arg]
    again = type(schedule).from_config(schedule.get_config())
    assert [float(again(step)) for step in range(11)] == [float(schedule(step)) for step in range(11)]


def test_a_warm_up_longer_than_the_run() -> None:
    with pytest.raises(glueft.GlueftError) as caught:
        rates("linear", 20, range(1), initial_learning_rate=1e-3, warmup_steps=21)
    assert caught.value.message == "schedule.warmup_steps is longer than the run"
    assert caught.value.expected == "at most 20 warm-up steps, the steps of the whole run"
    assert caught.value.received == "schedule.warmup_steps = 21"
    assert "warmup_ratio" in caught.value.mend


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("linear", {"warmup_steps": 3, "warmup_ratio": 0.1}, "warmup_steps and warmup_ratio cannot be used together"),
        ("linear", {"end_learning_rate": 1.0}, "end_learning_rate (1.0) is above initial_learning_rate (0.001)"),
        ("polynomial_decay", {"end_learning_rate": 1.0}, "the rate must fall"),
    ],
)
def test_options_that_contradict_each_other(name: str, options: dict[str, Any], words: str) -> None:
    cls = load_registry().find("schedule", name).cls
    with pytest.raises(ValueError) as caught:
        cls.Options(initial_learning_rate=1e-3, **options)  # type: ignore[call-arg]
    assert words in str(caught.value)
