"""Ranges, and settings drawn from them at random."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from glueft.recipe import load_recipe
from glueft.studies.definition.study import Range, StudyRecipe
from glueft.studies.execution.ranges import bounds, number_of_trials, random_settings

RATE = "schedule.initial_learning_rate"


def searched(grid: dict[str, tuple[object, ...]] | None = None, **ranges: Range) -> StudyRecipe:
    return StudyRecipe("mrpc", load_recipe("mrpc"), grid or {}, ranges)


@pytest.mark.parametrize(
    ("drawn", "allowed"),
    [
        (Range(1e-6, 1e-3, log=True), None),
        (Range(0.0, 0.3, step=0.1), {0.0, 0.1, 0.2, 0.3}),
        (Range(1, 4, whole=True), {1, 2, 3, 4}),
        (Range(8, 32, step=8, whole=True), {8, 16, 24, 32}),
        (Range(0.1, 0.35, step=0.1), {0.1, 0.2, 0.3}),
        (Range(choices=(16, 32, 64)), {16, 32, 64}),
        (Range(-1.0, 1.0), None),
        (Range(1.00001, 1.00002), None),
    ],
    ids=str,
)
def test_values_lie_in_the_range_and_reach_all_of_it(drawn: Range, allowed: set[float] | None) -> None:
    recipe = searched(x=drawn)
    values = [setting["x"] for setting in random_settings("study", recipe, 400)]
    if allowed is not None:
        assert {*values} == allowed
        assert len(values) == number_of_trials(recipe, 400) == len(allowed)
        assert {type(value) for value in values} == {type(next(iter(allowed)))}
        return
    low, high = bounds(drawn)
    assert len({*values}) == 400
    assert all(low <= value <= high for value in values)
    scale = math.log if drawn.log else float
    tenths = Counter(int(10 * (scale(value) - scale(low)) / (scale(high) - scale(low))) for value in values)
    assert min(tenths[tenth] for tenth in range(10)) > 15  # 40 each


def test_whole_numbers_along_their_logarithm() -> None:
    recipe = searched(x=Range(1, 100, log=True, whole=True), y=Range(0.0, 1.0))
    values = [setting["x"] for setting in random_settings("study", recipe, 600)]
    assert {type(value) for value in values} == {int}
    # From 1 to 9 lie log(9.5 / 0.5) of log(100.5 / 0.5).
    assert sum(value <= 9 for value in values) / 600 == pytest.approx(math.log(19) / math.log(201), abs=0.07)
    assert min(values) == 1
    assert max(values) > 90


def test_learning_rates_are_readable() -> None:
    values = [setting[RATE] for setting in random_settings("s", searched(**{RATE: Range(1e-6, 1e-3, log=True)}), 50)]
    assert all(len(f"{value:e}".rstrip("0").partition("e")[0].rstrip("0")) <= len("1.2345") for value in values)


def test_more_trials_keep_the_earlier_ones_and_another_range_the_values_of_the_rest() -> None:
    few = random_settings("study", searched(x=Range(0.0, 1.0), y=Range(choices=("a", "b"))), 5)
    assert random_settings("study", searched(x=Range(0.0, 1.0), y=Range(choices=("a", "b"))), 12)[:5] == few
    other = random_settings("study", searched(x=Range(0.0, 1.0), y=Range(0.0, 2.0)), 5)
    assert [setting["x"] for setting in other] == [setting["x"] for setting in few]
    assert random_settings("another", searched(x=Range(0.0, 1.0), y=Range(choices=("a", "b"))), 5) != few


def test_the_values_are_the_same_on_every_machine_and_in_every_version() -> None:
    """They are in the names of runs: other ones would make a study begin anew."""
    recipe = searched(**{RATE: Range(1e-5, 1e-4, log=True), "training.epochs": Range(2, 5, whole=True)})
    drawn = random_settings("mrpc-study", recipe, 3)
    assert [(setting[RATE], setting["training.epochs"]) for setting in drawn] == [
        (9.3558e-05, 5),
        (5.3559e-05, 5),
        (7.1142e-05, 4),
    ]


def test_no_setting_comes_twice_and_the_grid_is_drawn_from() -> None:
    recipe = searched({"a": (1, 2, 3)}, b=Range(choices=("x", "y")))
    settings = random_settings("study", recipe, 20)
    assert len(settings) == number_of_trials(recipe, 20) == 6
    assert len({(setting["a"], setting["b"]) for setting in settings}) == 6
    assert random_settings("study", recipe, 4) == settings[:4]
