"""How far the runs of a study have come that are not over, looked up in their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from glueft.errors import GlueftError
from glueft.runs.how_far import HowFar, seconds_left
from glueft.runs.lease import is_running
from glueft.runs.run import Run
from glueft.studies.execution.folder import StudyFolder
from glueft.studies.result import StudyRun


@dataclass(frozen=True)
class Now:
    """What a run that is not over is doing.

    Attributes:
        alive: whether a process works at it: the run's own, or one that has claimed it; None if that cannot be known.
        folder: of its last attempt, absolute; None before the first.
        step: the last that is known to be done; 0 if none is.
        steps: the planned ones; None where it has not read its rows yet.
        seconds_left: of the training, estimated; None where there is nothing to estimate it from.
    """

    alive: bool | None
    folder: Path | None
    step: int
    steps: int | None
    seconds_left: float | None


def look(study: Path, run: StudyRun, runs: Sequence[StudyRun] = ()) -> Now:
    """Look into the folder of a run, which may not be there yet. Nothing is raised.

    Args:
        study: the folder of the study.
        run: of it.
        runs: of the study: those of the same recipe that are done tell how long a step takes. Else the steps of the
            run itself do, with the time for compiling them.
    """
    of_study = StudyFolder(study)
    claimed = is_running(of_study.of_run(run.name), None)
    attempts = of_study.attempts(run.name)
    folder = attempts[-1] if attempts else None
    try:
        if folder is None:
            return Now(claimed, None, 0, None, None)
        opened = Run.open(folder, finished=False, tolerant=True)
    except (GlueftError, OSError):
        return Now(claimed, folder, 0, None, None)
    trained = opened.is_running()
    how_far = HowFar.of(folder, opened.record)
    alive = True if claimed or trained else None if claimed is None and trained is None else False
    left = None
    if alive is not False:
        usual = [
            other.seconds / other.steps
            for other in runs
            if other.recipe == run.recipe and other.state == "done" and other.seconds and other.steps
        ]
        if usual and how_far.planned is not None:
            left = fmean(usual) * (how_far.planned - how_far.step)
        else:
            left = seconds_left(folder, opened.record, how_far)
    return Now(alive, folder, how_far.step, how_far.planned, left)


def study_seconds_left(runs: Sequence[StudyRun], left: Sequence[float | None], slots: int) -> float | None:
    """Estimate the seconds until all runs of a study are over; None while no run of it is done.

    Args:
        runs: all of the study. A waiting one is thought to take as long as those of its recipe that are done, or else
            as those of all recipes.
        left: the seconds that each run at work still has to train.
        slots: how many runs are at work at once.
    """
    took: dict[str, list[float]] = {}
    for run in runs:
        if run.state == "done" and run.seconds:
            took.setdefault(run.recipe, []).append(run.seconds)
    if not took:
        return None
    means = {recipe: fmean(seconds) for recipe, seconds in took.items()}
    mean = fmean(means.values())
    waiting = sum(means.get(run.recipe, mean) for run in runs if run.state == "waiting")
    at_work = [mean / 2 if seconds is None else seconds for seconds in left]
    return max(sum(at_work, waiting) / max(1, slots), *at_work, 0.0)
