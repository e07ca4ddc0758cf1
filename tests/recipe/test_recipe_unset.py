"""Keys that the command line takes back: what goes, what is told of a key that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from broken_recipes import GOOD
from glueft.cli.main import command_line
from glueft.recipe import RecipeError, load_recipe

CALLBACKS = """
[[callbacks]]
plugin = "csv"

[[callbacks]]
plugin = "early_stopping"
patience = 2

[[callbacks]]
plugin = "tensorboard"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text(GOOD.replace("seed = 42", "seed = 7").replace("max_length = 128", "max_length = 96") + CALLBACKS)
    return file


def test_a_key_a_table_and_elements_of_a_list(recipe: Path) -> None:
    whole = load_recipe(recipe)
    assert (whole.training.seed, whole.data.max_length) == (7, 96)
    less = load_recipe(recipe, unset=["training.seed", "callbacks.2", "callbacks.0", "callbacks.0", "data"])
    assert less.training.seed == 42
    assert less.data.max_length == 128
    assert [callback.name for callback in less.callbacks] == ["early_stopping"]
    assert load_recipe(recipe, unset=["callbacks", "callbacks.1"]).callbacks == ()


def test_it_comes_before_what_is_set(recipe: Path) -> None:
    changed = load_recipe(recipe, ["callbacks.0.patience=5", "training.epochs=1"], unset=["callbacks.0", "training"])
    assert changed.callbacks[0].options.patience == 5
    assert (changed.training.epochs, changed.training.seed) == (1, 42)


def test_one_of_two_keys_that_contradict_each_other(tmp_path: Path) -> None:
    arguments = ['task={plugin="table", train="a.csv", validation="b.csv", text="text", label="label"}']
    file = tmp_path / "recipe.toml"
    file.write_text(load_recipe("mrpc", arguments).to_toml())
    with pytest.raises(RecipeError, match="contradict each other"):
        load_recipe(file, ["task.validation_fraction=0.1"])
    task = load_recipe(file, ["task.validation_fraction=0.1"], unset=["task.validation"]).task
    assert (task.options.validation, task.options.validation_fraction) == (None, 0.1)


def test_what_is_wrong_elsewhere_keeps_its_line(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("patience = 2", "patience = -2"))
    line = recipe.read_text().splitlines().index("patience = -2") + 1
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, unset=["callbacks.0"])
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("callbacks.0.patience", line)


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("training.epoch", "did you mean training.epochs?  training has: epochs, "),
        ("trainin.epochs", "did you mean training.epochs?  the recipe has: task, "),
        ("epochs", "did you mean training.epochs?  the recipe has: task, "),
        ("callbacks.3", "did you mean callbacks.0?  callbacks has: 0, 1, 2"),
        ("callbacks.1.patience.x", "callbacks.1.patience has: nothing that can be taken back"),
        ("zzz", "the recipe has: task, "),
    ],
)
def test_a_key_that_is_not_there(recipe: Path, key: str, fix: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, unset=[key])
    (problem,) = caught.value.problems
    assert (problem.where, problem.message) == (f"--unset {key}", "the recipe does not have this key")
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize("key", ["", "a..b", "training.epochs=3", "tr\udcffaining"])
def test_what_is_no_key(recipe: Path, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, unset=[key])
    (problem,) = caught.value.problems
    assert "is not a dotted key" in problem.message or "not UTF-8" in problem.message


def test_the_commands_take_it(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["show", str(recipe), "--unset", "callbacks", "--unset", "training.seed"]) == 0
    out = capsys.readouterr().out
    assert "seed = 42" in out and "callbacks" not in out
    assert command_line(["validate", str(recipe), "--unset", "training.seeds"]) == 2
    assert "did you mean training.seed?" in capsys.readouterr().err
    for command in ("run", "plan"):
        assert command_line([command, str(recipe), "--unset", "training.seeds"]) == 2
        assert "did you mean training.seed?" in capsys.readouterr().err


def test_an_empty_value_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["validate", "mrpc", "--set", "training.epochs="]) == 2
    assert "to take the key back: --unset training.epochs" in capsys.readouterr().err
