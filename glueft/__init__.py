"""glueft: fine-tune pretrained text encoders on GLUE tasks with Keras 3, from one declarative recipe.

What a plugin author needs is here, and so is what a notebook needs:

    import glueft

    recipe = glueft.load_recipe("recipes/mrpc.toml", ["training.epochs=1"])
    result = glueft.run(recipe)
    result.record["metrics"], result.model
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import Field

from glueft.errors import (
    CheckpointError,
    DataError,
    GlueftError,
    HubError,
    OutputError,
    PluginError,
    RunFolderError,
    SubmissionError,
    TrainingError,
)
from glueft.metrics import MetricName, check_metrics, lower_is_better
from glueft.plugin.base import (
    Callback,
    HubDataset,
    Optimizer,
    Options,
    PublishedScore,
    Schedule,
    Submission,
    TableLayout,
    Task,
    TSVFile,
    TSVLayout,
)
from glueft.plugin.local_path import LocalPath
from glueft.tables.format import TablePath

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from glueft.launch import Result
    from glueft.recipe import Recipe
    from glueft.tables.read_tables import Tables

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("glueft")

__all__ = [
    "Callback",
    "CheckpointError",
    "DataError",
    "Field",
    "GlueftError",
    "HubDataset",
    "HubError",
    "LocalPath",
    "MetricName",
    "Optimizer",
    "Options",
    "OutputError",
    "PluginError",
    "PublishedScore",
    "RunFolderError",
    "Schedule",
    "Submission",
    "SubmissionError",
    "TSVFile",
    "TSVLayout",
    "TableLayout",
    "TablePath",
    "Task",
    "TrainingError",
    "check_metrics",
    "hookimpl",
    "load_recipe",
    "lower_is_better",
    "read_tables",
    "run",
]


def load_recipe(
    path: str,
    overrides: list[str] | None = None,
    plugins: list[str] | None = None,
    unset: list[str] | None = None,
    *,
    trust: bool = False,
) -> Recipe:
    """Read a recipe file, or a packaged recipe by its name, and check all of it.

    Args:
        path: a TOML file, or the name of a packaged recipe ("mrpc").
        overrides: `KEY=VALUE` texts as `glueft run --set` takes them; values are TOML.
        plugins: plugin files, as `glueft run --plugin` takes them.
        unset: keys to take out of the recipe first, as `glueft run --unset` takes them.
        trust: run the plugin files that the recipe of a run folder names, whoever wrote it, as `glueft run --trust`.

    Raises:
        glueft.recipe.RecipeError: with every problem of the recipe at once.
    """
    from glueft.recipe import load_recipe

    return load_recipe(path, overrides or [], plugins=plugins or [], unset=unset or [], trust=trust)


def read_tables(files: Mapping[str, str | Path], **options: Any) -> Tables:
    """Read CSV, TSV, JSON Lines or Parquet files into splits, for a task's `load`.

    Options and errors are those of `glueft.tables.read_tables.read_tables`: `texts` and `label` name the columns.
    """
    from glueft.tables.read_tables import read_tables

    return read_tables(files, **options)


def run(recipe: Recipe, **options: Any) -> Result:
    """Train and evaluate as a recipe says. Options and errors are those of `glueft.launch.run_recipe`."""
    from glueft.launch import run_recipe

    return run_recipe(recipe, **options)
