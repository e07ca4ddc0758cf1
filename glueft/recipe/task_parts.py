"""The parts of a recipe that evaluation and prediction need: a task, and how to read and predict its rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glueft.plugin.file import PluginFile
from glueft.plugin.options import plain_values
from glueft.plugin.origin import Origin, how_to_get, in_words, origin_of_point
from glueft.plugin.registry import Registry, load_registry, registry_of, use_registry
from glueft.plugin.task import Task
from glueft.recipe.draft import Draft
from glueft.recipe.overrides import Override, shown
from glueft.recipe.problems import Problem
from glueft.recipe.recipe import plugin_table
from glueft.recipe.sections import PLUGIN_TABLES, Data, Engine, Model, Training

# Tables of a run that only its training needs: their plugins may be missing.
_TRAINING_ALONE = ("optimizer", "schedule", "loss", "distill", "decision", "callbacks", "hub")


@dataclass(frozen=True)
class Sections:
    """The sections that a prediction reads, as in a `Recipe`."""

    model: Model
    data: Data
    training: Training
    engine: Engine


@dataclass(frozen=True)
class TaskParts(Sections):
    """The parts that an evaluation reads, as in a `Recipe`."""

    task: Task
    plugin_files: tuple[PluginFile, ...]

    @property
    def registry(self) -> Registry:
        """The installed plugins and those of the files."""
        return load_registry(*self.plugin_files)

    def tables(self) -> dict[str, Any]:
        """The parts as plain values, with every default."""
        sections = {name: getattr(self, name) for name in Sections.__dataclass_fields__}
        return {"task": plugin_table(self.task)} | {
            name: plain_values(section.model_dump(exclude_none=True)) for name, section in sections.items()
        }


def load_task_parts(
    task: str,
    checkpoint: str,
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    sample: bool = False,
    plugins: Sequence[str] = (),
) -> TaskParts:
    """Make a task and the sections from the command line alone, checked as `load_recipe` does.

    Args:
        task: the task's name.
        checkpoint, overrides, data_dir, sample, plugins: as in `load_recipe`.

    Raises:
        RecipeError: a value cannot be used; it holds every problem.
    """
    name = f"--task {shown(task)}"
    draft = Draft(name, {})
    first = [Override(("task", "plugin"), task, name)]
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample, first=first)
    files, unusable = draft.plugin_files(plugins)
    parts = draft.check(use_registry(*files), unusable, optional=("optimizer", "schedule"))
    return _task_parts(parts, files)


def load_run_parts(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    checkpoint: str | None = None,
    sample: bool = False,
    plugins: Sequence[str] = (),
    trust: bool = False,
    brought: Mapping[tuple[str, str], Origin] | None = None,
) -> TaskParts:
    """Load the recipe of a run without its training, whose plugins may be missing.

    A plugin file of the recipe that is missing, or not run because it is not trusted, is a problem only if the task is
    not found without it.

    Args:
        path: recipe.toml of a run folder.
        overrides, data_dir, checkpoint, sample, trust: as in `load_recipe`.
        plugins: plugin files; each replaces the run's file of the same name.
        brought: where each plugin of the run came from, by kind and name.

    Raises:
        RecipeError: it cannot be used; it holds every problem.
    """
    draft = Draft.read(os.fspath(path))
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample, idle=_TRAINING_ALONE)
    files, unusable = draft.plugin_files(plugins, of_a_run=True, trust=trust)
    registry, brought = use_registry(*files), brought or {}
    named = draft.tables.get("task")
    task = str(named.get("plugin")) if isinstance(named, dict) else ""
    found = ("task", task) in registry.plugins
    metrics = named.get("metrics") if isinstance(named, dict) else None
    wanted = [("metric", name) for name in metrics if isinstance(name, str)] if isinstance(metrics, list) else []
    # Where a package brought what is missing, no file would.
    if all(key in registry.plugins or "package" in brought.get(key, {}) for key in (("task", task), *wanted)):
        unusable = [problem for problem in unusable if problem.where.startswith("--")]

    def note(problem: Problem) -> Problem:
        of_the_task = found and problem.path.startswith("task.")
        return replace(problem, fix=problem.fix + _other_origin(registry, task, brought)) if of_the_task else problem

    optional = tuple(table for table in PLUGIN_TABLES if table != "task")
    return _task_parts(draft.check(registry, unusable, note=note, optional=optional, brought=brought), files)


def load_sections(path: str | os.PathLike[str]) -> Sections:
    """Load the sections of a run's recipe that a prediction reads, without any plugin.

    Args:
        path: recipe.toml of a run folder.

    Raises:
        RecipeError: one of them cannot be used; it holds every problem.
    """
    draft = Draft.read(os.fspath(path))
    sections = Sections.__dataclass_fields__
    draft.tables = {name: table for name, table in draft.tables.items() if name in sections}
    parts = draft.check(registry_of([]), optional=PLUGIN_TABLES)
    return Sections(**{section: parts[section] for section in sections})


def _task_parts(parts: Mapping[str, Any], files: tuple[PluginFile, ...]) -> TaskParts:
    sections = {name: parts[name] for name in Sections.__dataclass_fields__}
    return TaskParts(**sections, task=parts["task"], plugin_files=files)


def _other_origin(registry: Registry, task: str, brought: Mapping[tuple[str, str], Origin]) -> str:
    """A note that the task is not the one that the run had; it may be why it refuses the run's options."""
    then, now = brought.get(("task", task)), origin_of_point(registry.plugins["task", task].point)
    return f"; this is {in_words(now)}, and {how_to_get(then)}" if then and then != now else ""
