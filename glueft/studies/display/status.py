"""How a study stands, as seen from another process: from study.json and the folders of the runs that are not over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from glueft.errors import GlueftError
from glueft.studies.display.running import Now, look, study_seconds_left
from glueft.studies.execution.folder import StudyFolder, model_hashes
from glueft.studies.result import OVER, RecipeResult, StudyResult
from glueft.studies.result_file import read_result


@dataclass(frozen=True)
class Status:
    """How a study stands.

    Attributes:
        result: what it has found, with what has become of its runs since study.json was written.
        now: what the runs are doing that are running, by name.
        state: "running" while a process works at one of its runs, "done" where all that it asks for is over, else
            "stopped": it goes on with `command`.
        seconds_left: until all runs are over that are known by now, estimated; None where that cannot be told.
    """

    result: StudyResult
    now: Mapping[str, Now]
    state: Literal["running", "stopped", "done"]
    seconds_left: float | None

    @property
    def counts(self) -> Counter[str]:
        return Counter(run.state for run in self.result.runs)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        runs = []
        for run in self.result.runs:
            now = self.now.get(run.name)
            runs.append(
                {
                    "name": run.name,
                    "recipe": run.recipe,
                    "stage": run.stage,
                    "setting": dict(run.setting),
                    "seed": run.seed,
                    "trial": run.trial,
                    **({} if run.fold is None else {"fold": run.fold}),
                    "state": run.state,
                    "attempts": run.attempts,
                    "collapsed": run.collapsed,
                    "error": run.error,
                    "score": run.score,
                    "step": run.step if now is None else now.step or None,
                    "steps": run.steps if now is None else now.steps,
                    "seconds": run.seconds,
                    "seconds_left": None if now is None else now.seconds_left,
                    "folder": None if run.folder is None else str(run.folder),
                }
            )
        return {
            "study": self.result.name,
            "folder": str(self.result.folder),
            "state": self.state,
            "counts": dict(self.counts),
            "seconds_left": self.seconds_left,
            "goes_on_with": self.result.command if self.state == "stopped" else None,
            "recipes": [
                {
                    "name": recipe.name,
                    "chosen": None if recipe.chosen is None else dict(recipe.chosen),
                    "reason": recipe.reason,
                    "chosen_run": recipe.chosen_run,
                }
                for recipe in self.result.recipes
            ],
            "runs": runs,
        }


def study_status(folder: str | os.PathLike[str]) -> Status:
    """Look at a study that runs, has stopped or is done; nothing is changed.

    Raises:
        StudyError: this is not the folder of a study, or its study.json cannot be read.
    """
    written = read_result(folder)
    result = replace(written, recipes=[_looked_at(recipe, written) for recipe in written.recipes])
    now = {run.name: look(result.folder, run, result.runs) for run in result.runs if run.state == "running"}
    state: Literal["running", "stopped", "done"] = "stopped"
    if now:
        state = "running"
    elif written.finished is not None and all(run.state in OVER for run in result.runs):
        state = "done"
    left = study_seconds_left(result.runs, [found.seconds_left for found in now.values()], len(now))
    return Status(result, now, state, left if state == "running" else None)


def _looked_at(recipe: RecipeResult, result: StudyResult) -> RecipeResult:
    """Return a recipe with what has become of the runs that were not over: their driver may be gone, or another."""
    folder = StudyFolder(result.folder)
    retries = result.study.get("study", {}).get("retries", 1)
    parent = None
    if recipe.starts_from is not None:
        chosen = {other.name: other.chosen_run for other in result.recipes}.get(recipe.starts_from)
        place = next((run.folder for run in result.runs if run.name == chosen), None)
        with suppress(GlueftError, OSError):
            parent = None if place is None else model_hashes(place)
    runs = [
        run if run.state in OVER else folder.look(run, recipe, retries=retries, parent=parent) for run in recipe.runs
    ]
    return replace(recipe, runs=runs)
