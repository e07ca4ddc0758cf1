"""A task by its name, and the parts of a recipe that say how to read and to predict it: for what is not trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glueft.plugin import Task
from glueft.plugin_file import PluginFile
from glueft.recipe.check import RecipeCheck
from glueft.recipe.origins import Origins
from glueft.recipe.overrides import Override, apply, flags, parse, shown
from glueft.recipe.plugin_files import name_files, read_files
from glueft.recipe.problems import RecipeError
from glueft.recipe.rules import contradictions
from glueft.recipe.sections import Data, Engine, Model, Training
from glueft.registry import load_registry


@dataclass(frozen=True)
class TaskParts:
    """What there is of a recipe where nothing is trained; the attributes are those of a `Recipe`."""

    task: Task
    model: Model
    data: Data
    training: Training
    engine: Engine
    plugin_files: tuple[PluginFile, ...]


def load_task_parts(
    task: str,
    checkpoint: str,
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    sample: bool = False,
    plugins: Sequence[str] = (),
) -> TaskParts:
    """Make and check a task and the sections beside it, as `load_recipe` would, with no recipe but the command line.

    Args:
        task: the task's name.
        checkpoint: as `[model] checkpoint` has it.
        overrides: "table.key=VALUE" texts as `--set` takes them, the task's options among them.
        data_dir: read the rows from this folder, in the benchmark's own layout.
        sample: read the rows that ship with the task.
        plugins: plugin files.

    Raises:
        RecipeError: a value cannot be used; it holds every problem.
    """
    tables: dict[str, object] = {}
    name = f"--task {shown(task)}"
    by_flags, problems = flags(data_dir, checkpoint, sample)
    by_set, malformed = parse(overrides)
    arguments, misfits = apply(tables, [Override(("task", "plugin"), task, name), *by_flags, *by_set])
    arguments |= name_files(tables, list(plugins))
    origins = Origins(name, arguments=arguments)
    files, unusable = read_files(tables, origins)
    check = RecipeCheck(
        tables, origins, load_registry(*files), lacking=bool(unusable), optional=("optimizer", "schedule")
    )
    problems += malformed + misfits + unusable + check.problems + contradictions(check.parts, origins)
    if problems:
        raise RecipeError(name, problems)
    parts = check.parts
    return TaskParts(parts["task"], parts["model"], parts["data"], parts["training"], parts["engine"], files)
