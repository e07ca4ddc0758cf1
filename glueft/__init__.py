"""glueft: fine-tune pretrained text encoders on GLUE tasks with Keras 3, from one declarative recipe.

What a plugin author needs is here, and so is what a notebook needs:

    import glueft

    recipe = glueft.load_recipe("recipes/mrpc.toml", ["training.epochs=1"])
    result = glueft.run(recipe)
    result.record["metrics"], result.model

    study = glueft.load_study("recipes/mrpc-study.toml", ["study.seeds=2"])
    found = glueft.study(study)
    found.table(), found.runs()
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from glueft.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import Field

    from glueft.errors import (
        CheckpointError,
        DataError,
        GlueftError,
        HubError,
        OutputError,
        PluginError,
        RunFolderError,
        StudyError,
        SubmissionError,
        TrainingError,
    )
    from glueft.launch import Result
    from glueft.metrics import MetricName, check_metrics, lower_is_better
    from glueft.plugin.callback import Callback
    from glueft.plugin.encoder import CheckpointTensor, ConfigReader, Encoder, EncoderConfig
    from glueft.plugin.executor import Executor, Job, Pool, RunningJob
    from glueft.plugin.hookspecs import hookimpl
    from glueft.plugin.loss import Loss
    from glueft.plugin.metric import Metric
    from glueft.plugin.optimizer import Optimizer
    from glueft.plugin.options import LocalPath, Options
    from glueft.plugin.run import Run
    from glueft.plugin.schedule import Schedule
    from glueft.plugin.task import HubDataset, PublishedScore, Source, Submission, TableLayout, Task, TSVFile, TSVLayout
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Study
    from glueft.studies.findings import Findings
    from glueft.tables.read_tables import Tables
    from glueft.tables.suffixes import TablePath

__all__ = [
    "Callback",
    "CheckpointError",
    "CheckpointTensor",
    "ConfigReader",
    "DataError",
    "Encoder",
    "EncoderConfig",
    "Executor",
    "Field",
    "GlueftError",
    "HubDataset",
    "HubError",
    "Job",
    "LocalPath",
    "Loss",
    "Metric",
    "MetricName",
    "Optimizer",
    "Options",
    "OutputError",
    "PluginError",
    "Pool",
    "PublishedScore",
    "Run",
    "RunFolderError",
    "RunningJob",
    "Schedule",
    "Source",
    "StudyError",
    "Submission",
    "SubmissionError",
    "TSVFile",
    "TSVLayout",
    "TableLayout",
    "TablePath",
    "Task",
    "TrainingError",
    "__version__",
    "check_metrics",
    "hookimpl",
    "load_recipe",
    "load_study",
    "lower_is_better",
    "read_study",
    "read_tables",
    "resume",
    "run",
    "study",
]


# Imported when first asked for: `import glueft` itself takes no time.
_HOMES = {
    "pydantic": "Field",
    "glueft.errors": "CheckpointError DataError GlueftError HubError OutputError PluginError RunFolderError "
    "StudyError SubmissionError TrainingError",
    "glueft.metrics": "MetricName check_metrics lower_is_better",
    "glueft.plugin.callback": "Callback",
    "glueft.plugin.encoder": "CheckpointTensor ConfigReader Encoder EncoderConfig",
    "glueft.plugin.executor": "Executor Job Pool RunningJob",
    "glueft.plugin.hookspecs": "hookimpl",
    "glueft.plugin.loss": "Loss",
    "glueft.plugin.metric": "Metric",
    "glueft.plugin.options": "LocalPath Options",
    "glueft.plugin.optimizer": "Optimizer",
    "glueft.plugin.run": "Run",
    "glueft.plugin.schedule": "Schedule",
    "glueft.plugin.task": "HubDataset PublishedScore Source Submission TSVFile TSVLayout TableLayout Task",
    "glueft.tables.suffixes": "TablePath",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
        return globals()[name]
    # A package or module, such as `glueft.metrics`, whether something has imported it yet or not.
    if not name.startswith("_") and importlib.util.find_spec(f"glueft.{name}"):
        return importlib.import_module(f"glueft.{name}")
    raise AttributeError(f"module 'glueft' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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


def load_study(
    path: str,
    overrides: list[str] | None = None,
    plugins: list[str] | None = None,
    unset: list[str] | None = None,
    *,
    trust: bool = False,
    **options: Any,
) -> Study:
    """Read a study file, or a packaged study by its name, and check it with every recipe that it would run.

    Arguments are those of `load_recipe`; an override "study.KEY=VALUE" changes the study, any other all of its runs.
    `options` are those of `glueft.studies.definition.file.load_study`: data_dir, checkpoint and sample.

    Raises:
        glueft.recipe.RecipeError: with every problem at once.
    """
    from glueft.studies.definition.file import load_study

    return load_study(path, overrides or [], plugins=plugins or [], unset=unset or [], trust=trust, **options)


def read_study(folder: str | Path) -> Findings:
    """Read what a study has found so far, such as "studies/glue".

    Raises:
        StudyError: no study was run there.
    """
    from glueft.studies.findings import read_findings

    return read_findings(folder)


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


def resume(run: str | Path, **options: Any) -> Result | None:
    """Go on with a run that is not done. Options and errors are those of `glueft.launch.resume_run`."""
    from glueft.launch import resume_run

    return resume_run(run, **options)


def study(study: Study | str, **options: Any) -> Findings:
    """Run a study, or go on with it. Options and errors are those of `glueft.studies.findings.find`."""
    from glueft.studies.findings import find

    return find(study, **options)
