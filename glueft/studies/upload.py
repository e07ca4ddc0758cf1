"""The runs of a study that an upload to a benchmark is made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glueft.errors import StudyError
from glueft.plugin.registry import known_classes
from glueft.studies.result import RecipeResult
from glueft.studies.result_file import is_study_folder, read_result


def chosen_runs(folders: Sequence[str], *, fill_missing: bool) -> tuple[list[str], list[str]]:
    """Put the chosen runs of a study in the place of its folder.

    Args:
        folders: of runs and of studies.
        fill_missing: leave out a recipe without a chosen run.

    Returns:
        Run folders, and notes on what was left out.

    Raises:
        StudyError: study.json cannot be read, a recipe has no chosen run yet, or none is of a benchmark's task.
    """
    runs: list[str] = []
    notes: list[str] = []
    for folder in folders:
        if not is_study_folder(folder):
            runs.append(folder)
            continue
        recipes = read_result(folder).recipes
        accepted = [recipe for recipe in recipes if _is_accepted(recipe)]
        notes += [
            f"{recipe.name} left out: no benchmark takes {recipe.task}" for recipe in recipes if recipe not in accepted
        ]
        if not accepted:
            raise StudyError(
                f"{folder}: no benchmark takes the tasks of this study",
                expected="a study of a benchmark's tasks",
                received=", ".join(dict.fromkeys(recipe.task for recipe in recipes)) or "a study without recipes",
                fix="name another study, or runs of a benchmark's tasks",
            )
        chosen = {recipe.name: _chosen(recipe) for recipe in accepted}
        open_ = [name for name, run in chosen.items() if run is None]
        if len(open_) == len(chosen) or (open_ and not fill_missing):
            filling = "; or fill their files with the commonest label: --fill-missing"
            raise StudyError(
                f"{folder}: no run is chosen for {', '.join(open_)}",
                expected="a study with a run for each task of the benchmark",
                received=f"{len(chosen) - len(open_)} of {len(chosen)} recipes with a chosen run",
                fix="give the command of the study again, which goes on with it"
                + (filling if len(open_) < len(chosen) else ""),
            )
        notes += [f"{name} left out: it has no chosen run yet" for name in open_]
        runs += [str(run) for run in chosen.values() if run is not None]
    return runs, notes


def _is_accepted(recipe: RecipeResult) -> bool:
    """Whether a benchmark takes predictions for the task of a recipe; so it may for one of a plugin file."""
    task = known_classes("task").get(recipe.task)
    return task is None or task.submission is not None


def _chosen(recipe: RecipeResult) -> Path | None:
    return next((run.folder for run in recipe.runs if run.name == recipe.chosen_run), None)
