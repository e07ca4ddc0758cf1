"""Changes of a recipe from Python: a dict is what the texts of `--set` are, to the last character."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.recipe import RecipeError
from glueft.recipe.overrides import as_texts, parse


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (1, 1),
        (True, True),
        (2e-5, 2e-5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        ("true", "true"),
        ('a "quoted" \\ text\nwith a line, \x7f and \x00', 'a "quoted" \\ text\nwith a line, \x7f and \x00'),
        ("", ""),
        ("größer \u2028", "größer \u2028"),
        (Path("data/rows"), "data/rows"),
        (("a", "b"), ["a", "b"]),
        ({"plugin": "adamw", "a key.": [1.0, {"x": False}]}, {"plugin": "adamw", "a key.": [1.0, {"x": False}]}),
        (float("inf"), float("inf")),
    ],
)
def test_a_value_stays_what_it_is(value: Any, meant: Any) -> None:
    ((override,), problems) = parse(as_texts({"table.key": value}))
    assert problems == []
    assert (override.path, override.value) == (("table", "key"), meant)
    assert type(override.value) is type(meant)


def test_a_table_changes_its_own_keys_alone_and_texts_stay() -> None:
    nested = {"training": {"epochs": 1, "seed": 2}, "model.freeze": {"layers": 3}}
    assert as_texts(nested) == ["training.epochs=1", "training.seed=2", 'model.freeze={"layers" = 3}']
    assert as_texts(["training.epochs=1"]) == as_texts("training.epochs=1") == ["training.epochs=1"]
    assert glueft.load_recipe("mrpc", {"training": {"epochs": 1}}).training.batch_size == 8


@pytest.mark.parametrize(
    ("overrides", "message", "fix"),
    [
        ({"data.limit_train": [None]}, "the override of data.limit_train has no form", "give a plain value"),
        ({"data.limit_train": object}, "the override of data.limit_train has no form", "give a plain value"),
        ({"a=b": 1}, "these are no overrides of a recipe", "give a dict of keys and values"),
        ({1: 1}, "these are no overrides of a recipe", "give a dict of keys and values"),
        ([1], "these are no overrides of a recipe", "give a dict of keys and values"),
    ],
)
def test_what_is_no_override(overrides: Any, message: str, fix: str) -> None:
    with pytest.raises(glueft.GlueftError, match=message) as caught:
        glueft.load_recipe("mrpc", overrides)
    assert fix in caught.value.fix
    assert caught.value.expected and caught.value.received


def test_none_takes_a_key_out() -> None:
    from glueft.recipe.recipe import changed_recipe

    limited = glueft.load_recipe("mrpc", {"data": {"limit_train": 8}, "training.epochs": 7, "loss.plugin": "focal"})
    changes = as_texts({"data": {"limit_train": None}, "training.epochs": None, "loss": None, "distill.teacher": None})
    changed = changed_recipe(limited, changes)
    assert (changed.data.limit_train, changed.training.epochs, changed.loss) == (None, 3, None)
    assert changed_recipe(changed, changes) == changed, "nothing is there to take out"
    with pytest.raises(RecipeError) as caught:
        glueft.load_recipe("mrpc", {"data.limit_trian": None, "dta.limit": None})
    assert 'did you mean "limit_train"?' in str(caught.value) and "did you mean [data]?" in str(caught.value)


def test_a_recipe_tells_its_plugins() -> None:
    recipe = glueft.load_recipe("mrpc", {"callbacks": [{"plugin": "early_stopping", "patience": 5}]})
    assert repr(recipe.callbacks) == "(EarlyStopping(patience=5),)"


def test_problems_are_found_as_those_of_the_command_line() -> None:
    with pytest.raises(RecipeError) as caught:
        glueft.load_recipe("mrpc", {"training.epochs": "three", "training.sed": 1})
    assert [problem.path for problem in caught.value.problems] == ["training.epochs", "training.sed"]


def test_a_recipe_that_has_been_read_can_be_changed(tmp_path: Path) -> None:
    from glueft.recipe.recipe import changed_recipe

    recipe = glueft.load_recipe("table", {"task.train": str(tmp_path / "rows.csv")})
    changed = changed_recipe(recipe, as_texts({"training.epochs": 7}), unset=["training.seed"])
    assert (changed.training.epochs, changed.training.seed) == (7, 42)
    assert changed.task.options.train == recipe.task.options.train  # type: ignore[attr-defined]
    assert changed_recipe(recipe) == recipe
    with pytest.raises(RecipeError, match="1 problem, nothing was run"):
        changed_recipe(recipe, ["training.epochs=0"])
