"""One of several processes that search in one folder: `python search_worker.py FOLDER NAME`.

A run is a file `NUMBER.done` with its score; the process that works at it holds the lock of `NUMBER.run`. Every run
that is begun is noted in `begun`. The process "killed" comes no further than its first run from number 3 on. It may
begin later than the others: before that they come no further than number 6.
"""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path

from glueft.recipe import load_recipe
from glueft.studies.definition.study import Range, Study, StudyRecipe
from glueft.studies.execution.search import TPESearch
from glueft.studies.result import StudyRun
from study_results import recipe_result, study_run

TRIALS = 12


def search_in(folder: Path, trials: int = TRIALS) -> tuple[TPESearch, StudyRecipe]:
    base = load_recipe("mrpc")
    recipe = StudyRecipe("mrpc", base, {}, {"x": Range(0.0, 1.0), "y": Range(choices=("a", "b"))})
    study = Study("s.toml", "s", (recipe,), (1,), executor=None, sampler="tpe", trials=trials)  # type: ignore[arg-type]
    return TPESearch(study, folder), recipe


def known(folder: Path, settings: dict[int, dict[str, object]]) -> list[StudyRun]:
    runs = []
    for number, setting in settings.items():
        done = folder / f"{number}.done"
        score = float(done.read_text()) if done.exists() else None
        run = study_run("mrpc", 1, stage="search", setting=setting, trial=number, score=score)
        state = "done" if score is not None else "running" if (folder / f"{number}.run").exists() else "waiting"
        runs.append(StudyRun(**{**run.__dict__, "state": state}))
    return runs


def main(folder: Path, name: str) -> None:
    search, recipe = search_in(folder)
    facts = recipe_result("mrpc", [])
    settings: dict[int, dict[str, object]] = {}
    while True:
        drawn = search.draw(recipe, known(folder, settings), facts)
        settings = dict(drawn.trials)
        runs = known(folder, settings)
        if drawn.complete and all(run.state == "done" for run in runs):
            return
        for number, setting in settings.items():
            work(folder, name, number, setting)
        time.sleep(0.01)


def work(folder: Path, name: str, number: int, setting: dict[str, object]) -> None:
    done, claim = folder / f"{number}.done", folder / f"{number}.run"
    if done.exists():
        return
    with claim.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if done.exists():
            return
        with (folder / "begun").open("a") as begun:
            begun.write(f"{name} {number}\n")
        if name == "killed" and number >= 3:
            time.sleep(600)
        while number >= 6 and not is_stuck(folder):
            time.sleep(0.02)
        time.sleep(0.02)
        beside = folder / f"{number}.{name}"
        beside.write_text(str(1 - abs(float(str(setting["x"])) - 0.3)))
        beside.rename(done)


def is_stuck(folder: Path) -> bool:
    """Whether the process that will be killed has come to the run that it does not end."""
    begun = [line.split() for line in (folder / "begun").read_text().splitlines()]
    return any(name == "killed" and int(number) >= 3 for name, number in begun)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
