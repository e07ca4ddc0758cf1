"""An optimizer, schedule or callback that does not build what it is for is named, and nothing is trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import glueft
from glueft.errors import PluginError
from glueft.recipe import Recipe, load_recipe
from glueft.training.plan import plan_recipe

SOURCE = '''
import glueft


class Nothing(glueft.Optimizer):
    """Forgets to return."""

    name = "nothing"

    def build(self, learning_rate):
        pass


class Number(glueft.Schedule):
    """A number instead of a schedule."""

    name = "number"

    class Options(glueft.Options):
        initial_learning_rate: float = glueft.Field(1e-3, description="The rate.")

    def build(self, total_steps):
        return self.options.initial_learning_rate


class Uncalled(glueft.Callback):
    """A class instead of an object."""

    name = "uncalled"

    def build(self, run):
        import keras

        return keras.callbacks.TerminateOnNaN


class Symbolic(glueft.Schedule):
    """A rate that only plain numbers can be asked for."""

    name = "symbolic"

    class Options(glueft.Options):
        never: bool = glueft.Field(False, description="Whether it has no rate at all.")

    def build(self, total_steps):
        import keras

        class Rate(keras.optimizers.schedules.LearningRateSchedule):
            def __call__(rate, step):
                return None if self.options.never else 1e-3 / (1 + int(step))

        return Rate()


class Raising(glueft.Schedule):
    """Divides by zero."""

    name = "raising"

    def build(self, total_steps):
        return 1 / 0
'''

WRONG = [
    ("optimizer={plugin='nothing'}", 'the optimizer "nothing"', "keras.optimizers.Optimizer", "nothing"),
    (
        "schedule={plugin='number'}",
        'the schedule "number"',
        "keras.optimizers.schedules.LearningRateSchedule",
        "a float",
    ),
    (
        "callbacks=[{plugin='uncalled'}]",
        'the callback "uncalled"',
        "keras.callbacks.Callback",
        "the class TerminateOnNaN, not an object of it",
    ),
]


def recipe_with(tmp_path: Path, tiny_bert: Path, override: str) -> tuple[Recipe, Path]:
    file = tmp_path / "wrong.py"
    file.write_text(SOURCE)
    overrides = [override, "data.limit_train=8", "data.limit_validation=8"]
    return load_recipe("mrpc", overrides, plugins=[str(file)], checkpoint=str(tiny_bert), sample=True), file


@pytest.mark.parametrize(("override", "plugin", "wanted", "received"), WRONG)
def test_a_build_that_returns_the_wrong_thing(
    tmp_path: Path, tiny_bert: Path, override: str, plugin: str, wanted: str, received: str
) -> None:
    recipe, file = recipe_with(tmp_path, tiny_bert, override)
    with pytest.raises(PluginError) as caught:
        glueft.run(recipe, output_dir=tmp_path / "runs")
    error = caught.value
    assert error.message.startswith(plugin) and str(file) in error.message
    assert re.search(r" did not build an? \w+$", error.message)
    assert (error.expected, error.received) == (f"a {wanted} from its `build`", received)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_build_that_raises(tmp_path: Path, tiny_bert: Path) -> None:
    recipe, file = recipe_with(tmp_path, tiny_bert, "schedule={plugin='raising'}")
    for work in (glueft.run, plan_recipe):
        with pytest.raises(PluginError, match="failed in its `build`: ZeroDivisionError") as caught:
            work(recipe)
        assert f"{file}, line" in caught.value.received


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("never=true", "failed in its `__call__`: TypeError"),  # before the first step
        ("never=false", "failed in the object that it has built: "),  # in the first
    ],
)
def test_what_a_build_has_made_raises(tmp_path: Path, tiny_bert: Path, options: str, told: str) -> None:
    recipe, file = recipe_with(tmp_path, tiny_bert, f"schedule={{plugin='symbolic', {options}}}")
    with pytest.raises(PluginError) as caught:
        glueft.run(recipe, output_dir=tmp_path / "runs")
    assert caught.value.message.startswith(f'the schedule "symbolic" ({file}) {told}')
