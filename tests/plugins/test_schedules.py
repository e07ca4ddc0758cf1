"""Each schedule value by value against its written formula."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

import glueft
from glueft.plugin.registry import load_registry

NAMES = ["constant", "cosine", "inverse_sqrt", "linear", "polynomial_decay"]


def made(name: str, **options: Any) -> Any:
    cls = load_registry().find("schedule", name).cls
    return cls(cls.Options(**options))


def rates(name: str, total_steps: int, steps: range, **options: Any) -> list[float]:
    schedule = made(name, **options).build(total_steps)
    import numpy as np

    # Whole numbers, as Keras's step counter is; all at once, which is quicker.
    got = np.asarray(schedule(np.array(steps, np.int64)), np.float64)
    return list(np.broadcast_to(got, len(steps)))


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_polynomial_decay(power: float, warmup: int) -> None:
    got = rates(
        "polynomial_decay",
        10,
        range(13),
        initial_learning_rate=5e-5,
        end_learning_rate=1e-6,
        power=power,
        warmup_steps=warmup,
    )
    rising = [5e-5 * step / warmup for step in range(warmup)]
    falling = [
        1e-6 + (5e-5 - 1e-6) * (1 - (min(step, 10) - warmup) / (10 - warmup)) ** power for step in range(warmup, 13)
    ]
    assert got == pytest.approx(rising + falling, rel=1e-5, abs=1e-12)
    assert got[warmup] == pytest.approx(5e-5) and got[10] == pytest.approx(1e-6)


def test_polynomial_decay_is_the_course_s_line_by_default() -> None:
    got = rates("polynomial_decay", 1377, range(0, 1378, 81), initial_learning_rate=5e-5)
    assert got == pytest.approx([5e-5 * (1 - step / 1377) for step in range(0, 1378, 81)], rel=1e-4, abs=1e-12)


def transformers_linear(step: int, warmup: int, total: int) -> float:
    """`_get_linear_schedule_with_warmup_lr_lambda` of transformers 5, as written there."""
    if step < warmup:
        return float(step) / float(max(1, warmup))
    return max(0.0, float(total - step) / float(max(1, total - warmup)))


@pytest.mark.parametrize("warmup", [None, 0, 1, 4, 19])
def test_linear_has_the_values_of_transformers(warmup: int | None) -> None:
    got = rates("linear", 20, range(24), initial_learning_rate=3e-5, warmup_steps=warmup)
    assert got == pytest.approx(
        [3e-5 * transformers_linear(s, warmup or 0, 20) for s in range(24)], rel=1e-5, abs=1e-12
    )


@pytest.mark.parametrize(("ratio", "total"), [(0.06, 100), (0.1, 33), (0.0, 10), (0.999, 10)])
def test_linear_with_a_ratio_rounds_the_warm_up_up(ratio: float, total: int) -> None:
    got = rates("linear", total, range(total), initial_learning_rate=1e-3, warmup_ratio=ratio)
    warmup = math.ceil(total * ratio)
    wanted = [1e-3 * transformers_linear(step, warmup, total) for step in range(total)]
    assert got == pytest.approx(wanted, rel=1e-5, abs=1e-12)


def test_linear_to_an_end_above_zero() -> None:
    got = rates("linear", 10, range(12), initial_learning_rate=1e-3, end_learning_rate=1e-4, warmup_steps=2)
    falling = [1e-4 + 9e-4 * (10 - step) / 8 for step in range(2, 10)]
    assert got == pytest.approx([0.0, 5e-4, *falling, 1e-4, 1e-4], rel=1e-5)


def test_constant() -> None:
    assert rates("constant", 5, range(7), initial_learning_rate=2e-5) == pytest.approx([2e-5] * 7)
    got = rates("constant", 5, range(7), initial_learning_rate=2e-5, warmup_steps=2)
    assert got == pytest.approx([0.0, 1e-5, *[2e-5] * 5], rel=1e-5)


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("end", [0.0, 1e-5])
def test_cosine(end: float, warmup: int) -> None:
    got = rates("cosine", 30, range(33), initial_learning_rate=1e-4, end_learning_rate=end, warmup_steps=warmup)
    parts = [(min(step, 30) - warmup) / (30 - warmup) for step in range(warmup, 33)]
    falling = [end + (1e-4 - end) * (1 + math.cos(math.pi * part)) / 2 for part in parts]
    assert got == pytest.approx([1e-4 * step / max(1, warmup) for step in range(warmup)] + falling, rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("restarts", [1, 2, 4])
def test_cosine_s_equal_cycles_have_the_values_of_transformers(restarts: int, warmup: int) -> None:
    def hard_restarts(step: int) -> float:
        """`_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda` of transformers 5, as written there."""
        if step < warmup:
            return float(step) / float(max(1, warmup))
        progress = float(step - warmup) / float(max(1, 65 - warmup))
        if progress >= 1.0:
            return 0.0
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((float(restarts + 1) * progress) % 1.0))))

    got = rates("cosine", 65, range(65), initial_learning_rate=1e-3, restarts=restarts, warmup_steps=warmup)
    assert got == pytest.approx([1e-3 * hard_restarts(step) for step in range(65)], rel=1e-3, abs=1e-8)


@pytest.mark.parametrize(("total", "t_mul", "m_mul"), [(70, 2.0, 1.0), (70, 2.0, 0.5), (100, 1.5, 0.8), (31, 1.0, 0.5)])
def test_cosine_s_cycles_grow_and_sink(total: int, t_mul: float, m_mul: float) -> None:
    got = rates(
        "cosine",
        total,
        range(total),
        initial_learning_rate=1e-3,
        end_learning_rate=1e-4,
        restarts=2,
        t_mul=t_mul,
        m_mul=m_mul,
    )
    lengths = [total / (1 + t_mul + t_mul**2) * t_mul**cycle for cycle in range(3)]
    wanted = []
    for step in range(total):
        cycle = 0 if step < lengths[0] else 1 if step < lengths[0] + lengths[1] else 2
        part = (step - sum(lengths[:cycle])) / lengths[cycle]
        wanted.append(1e-4 + 9e-4 * m_mul**cycle * (1 + math.cos(math.pi * part)) / 2)
    assert got == pytest.approx(wanted, rel=1e-3)
    assert sum(later > earlier for earlier, later in itertools.pairwise(got)) == 2


@pytest.mark.parametrize(("warmup", "timescale"), [(4, None), (4, 4), (4, 9), (0, None), (0, 7), (1, None)])
def test_inverse_sqrt_has_the_values_of_transformers(warmup: int, timescale: int | None) -> None:
    def inverse_sqrt(step: int) -> float:
        """`get_inverse_sqrt_schedule` and its lambda of transformers 5, as written there."""
        scale = timescale or warmup or 10_000
        if step < warmup:
            return float(step) / float(max(1, warmup))
        shift = scale - warmup
        return 1.0 / math.sqrt((step + shift) / scale)

    got = rates("inverse_sqrt", 40, range(44), initial_learning_rate=1e-3, warmup_steps=warmup, timescale=timescale)
    assert got == pytest.approx([1e-3 * inverse_sqrt(step) for step in range(44)], rel=1e-5)


def test_inverse_sqrt_is_the_formula_of_vaswani_et_al() -> None:
    """Their rate is proportional to `min(step ** -0.5, step * warmup ** -1.5)`."""
    got = rates("inverse_sqrt", 100, range(1, 100), initial_learning_rate=1e-3, warmup_steps=16)
    wanted = [1e-3 * 16**0.5 * min(step**-0.5, step * 16**-1.5) for step in range(1, 100)]
    assert got == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_tells_its_warm_up(name: str) -> None:
    assert made(name, initial_learning_rate=1e-3).warmup_steps(100) == 0
    assert made(name, initial_learning_rate=1e-3, warmup_steps=7).warmup_steps(100) == 7
    assert made(name, initial_learning_rate=1e-3, warmup_ratio=0.061).warmup_steps(100) == 7


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_rises_in_a_line_and_is_at_its_height_then(name: str) -> None:
    got = rates(name, 20, range(9), initial_learning_rate=1e-3, warmup_ratio=0.4)
    assert got == pytest.approx([1e-3 * step / 8 for step in range(9)])


@pytest.mark.parametrize("name", NAMES)
def test_a_run_may_be_all_warm_up(name: str) -> None:
    got = rates(name, 4, range(4), initial_learning_rate=1e-3, warmup_steps=4)
    assert got == pytest.approx([0.0, 2.5e-4, 5e-4, 7.5e-4])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[(name, {"warmup_steps": warmup}) for name in NAMES for warmup in (None, 3)],
        ("cosine", {"restarts": 2, "t_mul": 1.5, "m_mul": 0.5, "warmup_steps": 3}),
        ("inverse_sqrt", {"timescale": 3}),
        ("polynomial_decay", {"power": 3.0, "end_learning_rate": 1e-4, "warmup_ratio": 0.2}),
    ],
)
def test_keras_can_take_a_schedule_apart_and_build_it_again(name: str, options: dict[str, Any]) -> None:
    import json

    from keras.optimizers import schedules

    schedule = made(name, initial_learning_rate=1e-3, **options).build(10)
    again = schedules.deserialize(json.loads(json.dumps(schedules.serialize(schedule))))
    assert type(again) is type(schedule)
    assert [float(again(step)) for step in range(11)] == [float(schedule(step)) for step in range(11)]


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_up_longer_than_the_run(name: str) -> None:
    with pytest.raises(glueft.GlueftError) as caught:
        rates(name, 20, range(1), initial_learning_rate=1e-3, warmup_steps=21)
    assert caught.value.message == "schedule.warmup_steps is longer than the run"
    assert caught.value.expected == "at most 20 warm-up steps, the steps of the whole run"
    assert caught.value.received == "schedule.warmup_steps = 21"
    assert "warmup_ratio" in caught.value.fix


def test_more_cycles_than_steps() -> None:
    with pytest.raises(glueft.GlueftError) as caught:
        rates("cosine", 20, range(1), initial_learning_rate=1e-3, restarts=4, t_mul=2.0, warmup_steps=2)
    assert caught.value.message == "the cycles of the cosine schedule are shorter than a step"
    assert caught.value.expected == "a first cycle of at least one of the 18 steps that the warm-up leaves"
    assert caught.value.received == "restarts = 4 and t_mul = 2.0: 0.58 steps"
    assert caught.value.fix == "lower schedule.restarts or schedule.t_mul, or train more epochs"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        *[
            (
                name,
                {"warmup_steps": 3, "warmup_ratio": 0.1},
                "warmup_steps and warmup_ratio cannot be used together; keep one of them",
            )
            for name in NAMES
        ],
        ("linear", {"end_learning_rate": 1.0}, "end_learning_rate (1.0) is above initial_learning_rate (0.001)"),
        ("cosine", {"end_learning_rate": 1.0}, "the rate must fall"),
        ("polynomial_decay", {"end_learning_rate": 1.0}, "the rate must fall"),
        ("cosine", {"t_mul": 2.0}, "t_mul shapes the cycles after a restart; it needs restarts above 0"),
        ("cosine", {"m_mul": 0.5}, "m_mul shapes the cycles after a restart; it needs restarts above 0"),
        ("cosine", {"restarts": 1, "t_mul": 0.5}, "greater than or equal to 1"),
        ("inverse_sqrt", {"timescale": 0}, "greater than 0"),
        ("constant", {"warmup_ratio": 1.0}, "less than 1"),
    ],
)
def test_options_that_contradict_each_other(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        made(name, initial_learning_rate=1e-3, **options)
    assert words in str(caught.value)
