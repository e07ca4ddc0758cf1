"""Results of studies made by hand, without folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glueft.plugin.task import Task
from glueft.studies.result import RecipeResult, StudyResult, StudyRun


def study_run(recipe: str, seed: int, *values: float, **changes: Any) -> StudyRun:
    """A run that is done, with the metrics of its only split; `changes` are of its other attributes."""
    task = changes.pop("task", recipe)
    names = known_tasks()[task].metrics
    split = known_tasks()[task].validation_splits[0]
    made: dict[str, Any] = {
        "name": f"{recipe}-seed{seed}-0badcafe",
        "recipe": recipe,
        "task": task,
        "stage": "final",
        "setting": {},
        "seed": seed,
        "state": "done",
        "folder": Path("/studies/glue/runs", f"{recipe}-seed{seed}-0badcafe", "run"),
        "attempts": 1,
        "score": sum(values) / len(values) if values else None,
        "metrics": {split: dict(zip(names, values, strict=True))} if values else {},
        "step": 30,
        "steps": 30,
        "seconds": 12.5,
        "validations": [],
    }
    return StudyRun(**(made | changes))


def recipe_result(name: str, runs: Sequence[StudyRun], **changes: Any) -> RecipeResult:
    """A recipe of one setting, all of whose runs are in the table."""
    task = known_tasks()[changes.pop("task", name)]
    made: dict[str, Any] = {
        "name": name,
        "task": task.name,
        "title": name.upper(),
        "metrics": task.metrics,
        "primary_split": task.validation_splits[0],
        "splits": task.validation_splits,
        "chooses": "score" if len(task.metrics) > 1 else task.metrics[0],
        "on": task.validation_splits[0],
        "lower_is_better": False,
        "settings": [{}],
        "chosen": {},
        "reason": "there is one setting",
        "chosen_run": runs[0].name if runs else None,
        "runs": runs,
        "published": task.published,
    }
    return RecipeResult(**(made | changes))


def study_result(*recipes: RecipeResult, **changes: Any) -> StudyResult:
    """A study that is finished."""
    made: dict[str, Any] = {
        "folder": Path("/studies/glue"),
        "name": "glue",
        "checkpoint": "org/my-encoder",
        "recipes": recipes,
        "finished": "2026-01-31T12:00:00+00:00",
    }
    return StudyResult(**(made | changes))


def of_scores(scores: Mapping[str, Sequence[Sequence[float]]]) -> StudyResult:
    """A study of one setting: by recipe, which has the name of its task, the metrics of each run."""
    return study_result(
        *(
            recipe_result(name, [study_run(name, seed, *values) for seed, values in enumerate(runs, 1)])
            for name, runs in scores.items()
        )
    )


def known_tasks() -> dict[str, type[Task]]:
    """The installed tasks by name."""
    from glueft.plugin.registry import known_classes

    return known_classes("task")
