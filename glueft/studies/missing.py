"""What runs need and is not on this machine, told before they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.data.sources import task_folder
from glueft.encoder.checkpoint_finder import find_checkpoint, is_on_hub
from glueft.errors import GlueftError, StudyError
from glueft.recipe.sections import RUN, Distill, Model
from glueft.runs.parent import find_model, find_start
from glueft.training.engine_choice import choose_backend, facts_here
from glueft.training.engine_choice import refuse_missing as refuse_missing_backend

if TYPE_CHECKING:
    from glueft.plugin.registry import Registry
    from glueft.recipe import Recipe

# Reasons that are told; more are alike.
MOST = 4


def refuse_missing(recipes: Iterable[tuple[Recipe, bool]]) -> None:
    """Look for the backends, checkpoints, teachers and folders of rows that recipes need. Nothing is asked of the hub.

    Args:
        recipes: each checked, and whether it begins with another run in place of its checkpoint.

    Raises:
        GlueftError: what one of them says whose run would end at once; StudyError for several.
    """
    looks: dict[tuple[str | None, ...], Callable[[], object]] = {}
    for recipe, has_parent in recipes:
        model, data, task, backend = recipe.model, recipe.data, recipe.task, recipe.engine.backend
        looks["backend", backend] = partial(_find_backend, backend)
        if not has_parent:
            looks["checkpoint", model.checkpoint, model.revision] = partial(_find, model, recipe.registry)
        if (distill := recipe.distill) is not None:
            looks["teacher", distill.teacher, distill.revision] = partial(_find_teacher, distill, recipe.registry)
        if data.folder is not None and task.tsv is not None:
            looks["rows", str(data.folder), task.name] = partial(task_folder, Path(data.folder), task.tsv)
    errors: list[GlueftError] = []
    for look in looks.values():
        try:
            look()
        except GlueftError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        more = [f"- and {len(errors) - MOST} more"] if len(errors) > MOST else []
        raise StudyError(
            f"runs cannot begin, for {len(errors)} reasons",
            expected="backends, checkpoints and rows that are there",
            received="\n".join([*(f"- {error.in_one_line}" for error in errors[:MOST]), *more]),
            fix="name others: --backend, --checkpoint, --data-dir, --set",
        )


def _find_backend(setting: str) -> None:
    """Look for what a run will choose, in a process in which Keras is not imported."""
    refuse_missing_backend(choose_backend(setting, replace(facts_here(), imported=None)))


def _find(model: Model, registry: Registry) -> None:
    if model.checkpoint.startswith(RUN) or not is_on_hub(model.checkpoint):
        find_start(model, registry)


def _find_teacher(distill: Distill, registry: Registry) -> None:
    try:
        if distill.teacher.startswith(RUN):
            find_model(distill.teacher, registry)
        elif not is_on_hub(distill.teacher):
            find_checkpoint(distill.teacher, registry=registry)
    except GlueftError as error:
        error.message = f"distill.teacher: {error.message}"
        raise
