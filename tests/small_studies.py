"""Studies on the samples, made without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glueft.plugin.registry import known_classes
from glueft.recipe import Recipe, load_recipe
from glueft.study.study import Study, StudyRecipe

RATE = "schedule.initial_learning_rate"


def study_recipe(name: str = "mrpc", *overrides: str, **changes: Any) -> StudyRecipe:
    """A packaged recipe in a study."""

    def check(setting: Mapping[str, Any]) -> Recipe:
        return load_recipe(name, [*overrides, *(f"{key}={value}" for key, value in setting.items())], sample=True)

    return StudyRecipe(name, load_recipe(name, overrides, sample=True), check=check, **changes)


def small_study(*recipes: StudyRecipe, parallel: int = 2, **changes: Any) -> Study:
    """A study of these recipes on two seeds."""
    local = known_classes("executor")["local"]
    executor = local(local.Options(parallel=parallel))
    usual = {"path": "glue.toml", "name": "glue", "seeds": (1, 2), "executor": executor}
    return Study(recipes=recipes, **(usual | changes))
