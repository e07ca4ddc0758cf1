"""The tables of a study file as Options: which keys there are, and which values they take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from glueft.plugin.options import LocalPath, Options
from glueft.recipe.sections import Text

DEFAULT_SEEDS = 5
# More are hardly meant.
MOST_SEEDS = 10_000
MOST_SETTINGS = 10_000

HIGHEST_SEED = 2**32 - 1

# Checked by hand: what pydantic says of a value that may have several forms is no help.
Seeds = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS},
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": HIGHEST_SEED}, "minItems": 1},
            ]
        }
    ),
]
Number = int | float
Table = dict[str, Any]


class PruneOptions(Options):
    """When a run of a drawn setting is stopped early."""

    method: Literal["median"] = Field(
        "median", description="A run ends whose validation is worse than the median of the others at the same epoch."
    )
    runs: int = Field(4, ge=1, le=MOST_SEEDS, description="Runs that must have got as far before one is stopped.")
    epochs: int = Field(1, ge=1, le=100_000, description="Epochs that every run is given.")


class RangeOptions(Options):
    """The values that one key is drawn from: low and high, or choices."""

    low: Number | None = Field(None, description="The least number that is drawn.", examples=[1e-5])
    high: Number | None = Field(None, description="The greatest number that is drawn.", examples=[1e-4])
    log: bool = Field(False, description="Draw the logarithm evenly: as many numbers from 1e-5 to 1e-4 as to 1e-3.")
    step: Number | None = Field(None, gt=0, description="Draw low, low + step, low + 2 step and so on.")
    choices: tuple[Any, ...] | None = Field(None, description="Draw one of these instead.", examples=[[16, 32]])


class StudyOptions(Options):
    """The [study] table."""

    name: Text | None = Field(None, description="Of the study's folder; by default the name of the file.")
    recipes: tuple[Text, ...] = Field(
        description="Names of packaged recipes, and recipe files, relative to the study's own.",
        examples=[["mrpc", "rte", "mine.toml"]],
    )
    seeds: Seeds = Field(
        DEFAULT_SEEDS,
        description="Of the runs of each setting: a list, or how many, counted from 1.",
        examples=[[1, 2, 3]],
    )
    final_seeds: Seeds = Field(
        None,
        description="Run the chosen setting again on these fresh seeds, and report those runs alone: choosing inflates "
        "the scores that it chose by. A list, or how many, counted on from the greatest of seeds.",
        examples=[5],
    )
    choose: Literal["validation", "held_out"] = Field(
        "validation",
        description='Choose the setting by the validation rows, or with "held_out" by a part of the training rows; '
        "the validation rows are then looked at once, by the chosen setting.",
    )
    held_out: Annotated[int, Field(ge=1, le=10**9)] | Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description='The part of the training rows that choose = "held_out" takes, or how many.'
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Cross-validation: each seed of a setting is run once for each of so many folds of the training "
        "rows, which it holds out and is scored on. The validation rows are not looked at, but by the chosen setting "
        'of choose = "held_out".',
        examples=[5],
    )
    fold_group: Text | None = Field(
        None,
        description="A column of the rows: those with equal values stay in one fold. By default the texts.",
        examples=["question"],
    )
    metric: Text | None = Field(
        None, description='Choose by this metric of the tasks, or "loss"; by default by the mean of a task\'s metrics.'
    )
    keep_models: Literal["chosen", "all", "none"] = Field(
        "chosen", description="Which runs keep their models: for each recipe the chosen one, all, or none."
    )
    retries: int = Field(1, ge=0, le=100, description="How often a failed run is begun again.")
    retry_collapsed: bool = Field(
        False, description="Add a run on a fresh seed for each that collapsed; both stand in the table."
    )
    sampler: Literal["random", "tpe"] = Field(
        "random", description="How settings are drawn from the ranges; tpe is Optuna's, which learns from earlier runs."
    )
    trials: int = Field(20, ge=1, le=MOST_SETTINGS, description="Settings that are drawn for each recipe with ranges.")
    prune: Annotated[Any, WithJsonSchema({"anyOf": [{"const": "median"}, PruneOptions.model_json_schema()]})] = Field(
        None,
        description='Stop runs of drawn settings early: "median", or a table with its options.',
        examples=["median"],
    )
    plugins: tuple[LocalPath, ...] = Field(
        (), description="Python files with plugins, for every recipe beside its own.", examples=[["my_task.py"]]
    )
    unset: tuple[Text, ...] = Field(
        (), description="Keys that are removed from every recipe that has them, as by --unset.", examples=[["hub"]]
    )
    set: Table = Field(
        default_factory=dict,
        description="Recipe keys with their values for every run; a table named as a recipe is for its runs alone.",
        examples=[{"model.checkpoint": "answerdotai/ModernBERT-base"}],
    )
    grid: Table = Field(
        default_factory=dict,
        description="Recipe keys with lists of values: every combination is a setting. A table named as a recipe is "
        "for its runs alone.",
        examples=[{"schedule.initial_learning_rate": [2e-5, 3e-5, 5e-5]}],
    )
    ranges: Table = Field(
        default_factory=dict,
        description="Recipe keys with what settings are drawn from: {low, high, log}, {low, high, step} or {choices}. "
        "A table named as a recipe is for its runs alone.",
        examples=[{"schedule.initial_learning_rate": {"low": 1e-5, "high": 1e-4, "log": True}}],
    )
    start_from: Table = Field(
        default_factory=dict,
        description="By recipe, the recipe of the study whose chosen run it begins with.",
        examples=[{"rte": "mnli"}],
    )
    executor: Table = Field(
        default_factory=dict,
        description='The executor plugin that runs the runs, with its options; by default plugin = "local".',
        examples=[{"plugin": "local", "parallel": 2}],
    )


# Tables of [study] whose keys are those of recipes.
CHANGES = ("set", "grid", "ranges")
