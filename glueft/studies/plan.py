"""Plans a study without running it: its runs and steps, and an estimate of hours, memory and disk from probes."""

from __future__ import annotations

import heapq
import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError, StudyError
from glueft.files import free_bytes
from glueft.plugin.executor import Job, JobState, Pool, RunningJob
from glueft.studies.execution.driver import POLL_SECONDS, PROGRAM
from glueft.studies.execution.planned import Planner, parents_first
from glueft.studies.execution.ranges import number_of_trials, space_of, value_at
from glueft.studies.execution.search import open_search
from glueft.studies.result_file import read_result
from glueft.text import counted
from glueft.training.progress import Progress

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Study, StudyRecipe
    from glueft.studies.result import RecipeResult


@dataclass(frozen=True)
class _Probe:
    """What a run of a recipe would take, from `glueft plan` of one of its settings.

    Attributes:
        recipe: that was planned.
        plan: what `glueft plan --json` printed.
    """

    recipe: Recipe
    plan: Mapping[str, Any]

    def rows(self, recipe: Recipe) -> int:
        """The rows that a recipe trains on, which may hold some out."""
        rows, held_out = int(self.plan["data"]["splits"]["train"]["rows"]), recipe.data.held_out
        if recipe.data.per_label is not None and self.recipe.data.per_label is not None:
            return rows // self.recipe.data.per_label * recipe.data.per_label
        if recipe.data.fold is not None:
            return rows if self.recipe.data.fold is not None else max(1, rows - rows // recipe.data.fold.of)
        if held_out is None or held_out == self.recipe.data.held_out:
            return rows
        return max(1, rows - (held_out if isinstance(held_out, int) else round(rows * held_out)))

    def steps(self, recipe: Recipe) -> int:
        """The training steps of a recipe that differs in its settings."""
        training = recipe.training
        rows = training.batch_size * training.gradient_accumulation_steps
        return int(training.epochs * math.ceil(self.rows(recipe) / rows))

    def seconds(self, recipe: Recipe) -> float:
        """The seconds of a run: training takes as long for each row of each epoch, and validation for each epoch."""
        seconds = self.plan["estimate"]["seconds"]
        epochs = recipe.training.epochs / self.recipe.training.epochs
        rows = self.rows(recipe) / self.rows(self.recipe)
        once = seconds["total"] - seconds["steps"] - seconds["validation"]
        return float(once + epochs * (seconds["steps"] * rows + seconds["validation"]))

    @property
    def memory(self) -> int | None:
        """Bytes at the peak; None if unknown."""
        estimate = self.plan["estimate"]
        return None if estimate is None else estimate["peak_memory_bytes"]

    @property
    def disk(self) -> int:
        """Bytes that a run leaves behind, with its model."""
        return int(self.plan["disk"]["needed_bytes"])

    @property
    def model(self) -> int:
        """Bytes of the model."""
        return int(self.plan["disk"]["model_bytes"])


def plan_study(
    study: Study, *, output_dir: str | Path = "studies", probe: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Return what a study would do. Nothing is left behind.

    - `study`: where it was read from; `name`; `executor`: its plugin, and `runs_at_once`, what it says of itself.
    - `recipes`: of each the `name`, `task`, `starts_from`, number of `settings`, `runs` (those of the "search" and the
      "final" ones), `steps` and `seconds` of all of them together, `run_seconds` (the shortest and the longest),
      `peak_memory_bytes` of one, and `disk_bytes` that one leaves behind, with its model.
    - `runs`, `steps`: of all. `seconds`: `total` of all runs together, and `wall` with `slots` at once, each recipe
      after the one that it starts from. `wall` and `slots` are None where the executor cannot be reached.
    - `left`: the `runs`, `steps` and `seconds` of those that are not done yet; all other numbers are of all runs.
    - `peak_memory_bytes`: of as many of the largest runs as there are at once.
    - `disk`: `folder`, `needed_bytes` in the end, `most_bytes` before models are removed, and `free_bytes`.
    - `basis`: a sentence on the source of the numbers.

    Without a probe all seconds and memory are None. They are estimates: each run is taken to be run once, to its end.

    Args:
        study: from `load_study`.
        output_dir: where the study's folder would be made.
        probe: load each recipe's model and time a few steps, in processes as the executor would run them.
        progress: what shows the phases; nothing if None.

    Raises:
        StudyError: a recipe's data or checkpoint cannot be used.
        GlueftError: the executor runs on this machine, and can run nothing.
    """
    progress = Progress() if progress is None else progress
    asked = {recipe.name: _runs(study, recipe) for recipe in study.recipes}
    count = sum(map(len, asked.values()))
    with tempfile.TemporaryDirectory(prefix="glueft-plan-") as folder:
        pool = _pool(study, Path(folder), count, progress)
        try:
            slots = None if pool is None else max(1, pool.slots)
            described = "not to be reached from here" if pool is None else pool.describe()
            start, at_once = (pool.start, slots) if pool is not None and study.executor.here else (_Child, 1)
            with progress.phase(f"planning {counted(len(study.recipes), 'recipe')}"):
                probes = _probe(asked, Path(folder), start, at_once or 1, probe=probe)
        finally:
            if pool is not None:
                pool.close()
    recipes = [_of_recipe(recipe, study.trials, asked[recipe.name], probes[recipe.name]) for recipe in study.recipes]
    memory = [found.memory for found in probes.values()]
    place = Path(output_dir) / study.name
    left = _left(study, place, asked)
    return {
        "study": study.path,
        "name": study.name,
        "executor": study.executor.name,
        "runs_at_once": described,
        "slots": slots,
        "recipes": recipes,
        "runs": count,
        "steps": sum(each["steps"] for each in recipes),
        "seconds": _seconds(study, asked, probes, slots) if probe else None,
        "left": {
            "runs": sum(map(len, left.values())),
            "steps": sum(probes[name].steps(run.recipe) for name, runs in left.items() for run in runs),
            "seconds": _seconds(study, left, probes, slots) if probe else None,
        },
        "peak_memory_bytes": None if None in memory else min(slots or 1, count) * max(map(int, filter(None, memory))),
        "disk": _disk(study, asked, probes) | {"folder": str(place), "free_bytes": free_bytes(place)},
        "basis": "one probe a recipe, of its first setting, "
        + ("as the executor runs it" if study.executor.here else "on this machine, one at a time")
        + "; time is taken to grow with epochs and rows, and each run to be run once, to its end"
        if probe
        else "rows, epochs and batches; nothing was timed",
    }


@dataclass(frozen=True, eq=False)
class _Run:
    """A run that would be asked for."""

    stage: str
    setting: Mapping[str, Any]
    recipe: Recipe

    @property
    def fold(self) -> int | None:
        fold = self.recipe.data.fold
        return None if fold is None else fold.number


def _pool(study: Study, folder: Path, jobs: int, progress: Progress) -> Pool | None:
    """What the executor has for the runs; None where its cluster cannot be reached from this machine.

    Raises:
        GlueftError: the executor runs on this machine, and can run nothing.
    """
    try:
        return study.executor.open(folder, progress.say, jobs=jobs)
    except GlueftError as error:
        if study.executor.here:
            raise
        progress.warn(f"{error.in_one_line}; how many runs it would have at once is not known")
        return None


def _runs(study: Study, recipe: StudyRecipe) -> list[_Run]:
    """Every run of a recipe; a setting that is yet to be drawn has the middle of its ranges."""
    settings = recipe.settings()
    if recipe.ranges:
        middle = {key: value_at(range_, 0.5) for key, range_ in space_of(recipe).items()}
        settings = [middle] * number_of_trials(recipe, study.trials)
    is_choice = len(settings) > 1 or bool(recipe.ranges)
    found = []
    if is_choice:
        found = [
            _Run("search", setting, recipe.recipe(setting, seed, held_out=study.held_out_by("search", fold)))
            for setting in settings
            for seed, fold in study.repeats("search")
        ]
    if not is_choice or study.choose == "held_out" or study.final_seeds is not None:
        # Which setting is chosen is not known: the first stands for all.
        found += [
            _Run("final", settings[0], recipe.recipe(settings[0], seed, held_out=study.held_out_by("final", fold)))
            for seed, fold in study.repeats("final")
        ]
    return found


def _left(study: Study, place: Path, asked: Mapping[str, Sequence[_Run]]) -> dict[str, list[_Run]]:
    """Of each recipe the runs that its study has not ended yet, by the study.json in its folder."""
    left = {name: [*runs] for name, runs in asked.items()}
    planned: list[RecipeResult] = []
    with suppress(GlueftError):  # nothing was run there, or it cannot be read
        known = {run.name: run for run in read_result(place).runs}
        planned = Planner(study, open_search(study, place)).plan(known, free=0)
    for recipe in planned:
        for run in recipe.runs:
            same_stage = [each for each in left[recipe.name] if each.stage == run.stage]
            # Settings that are drawn, or chosen, are not known before: then any run of the stage stands for it.
            same = [
                each
                for each in same_stage
                if (each.setting, each.recipe.training.seed, each.fold) == (run.setting, run.seed, run.fold)
            ]
            ended = (same or same_stage)[:1] if run.state in ("done", "pruned") else []
            left[recipe.name] = [each for each in left[recipe.name] if each not in ended]
    return left


def _probe(
    asked: Mapping[str, Sequence[_Run]], folder: Path, start: Callable[[Job], RunningJob], slots: int, *, probe: bool
) -> dict[str, _Probe]:
    """Plan one run of each recipe with `glueft plan`, as many at once as there are slots.

    Raises:
        StudyError: some cannot be planned; it has what each of them said.
    """
    # One that trains on all rows, so that their number becomes known.
    all_rows = {
        name: next((run for run in runs if not run.recipe.data.holds_out), runs[0]) for name, runs in asked.items()
    }
    jobs = [_job(name, run.recipe, folder, probe=probe) for name, run in all_rows.items()]
    waiting = list(jobs)
    running: dict[str, RunningJob] = {}
    codes: dict[str, int | None] = {}
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                job = waiting.pop(0)
                running[job.name] = start(job)
            for name, job_now in list(running.items()):
                if job_now.state() == "ended":
                    codes[name] = running.pop(name).exit_code()
            time.sleep(POLL_SECONDS)
    finally:
        for job_now in running.values():
            job_now.kill()
    said = {job.name: (job.folder / "log.txt").read_text(encoding="utf-8", errors="replace") for job in jobs}
    # Nobody knows the folder in which a probe was run.
    wrong = {job.name: said[job.name].replace(str(job.folder), str(Path.cwd())) for job in jobs if codes[job.name] != 0}
    if wrong:
        raise _failed(wrong, len(jobs))
    return {
        name: _Probe(run.recipe, json.loads(said[name].rstrip().splitlines()[-1])) for name, run in all_rows.items()
    }


def _job(name: str, recipe: Recipe, folder: Path, *, probe: bool) -> Job:
    """The command that plans a recipe; it prints a line of JSON at the end of its log."""
    place = folder / name
    place.mkdir()
    file = place / "recipe.toml"
    file.write_text(recipe.to_toml(), encoding="utf-8")
    command = (*PROGRAM, "plan", str(file), "--json", "--output-dir", str(place), *([] if probe else ["--no-probe"]))
    return Job(name, command, place)


class _Child:
    """A job as a process of this machine, beside an executor whose jobs run elsewhere."""

    id = None

    def __init__(self, job: Job) -> None:
        with (job.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                job.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def state(self) -> JobState:
        return "running" if self.process.poll() is None else "ended"

    def exit_code(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _failed(said: Mapping[str, str], of: int) -> StudyError:
    """What the recipes that cannot be planned have said, each once."""
    by_text: dict[str, list[str]] = {}
    for name, text in said.items():
        by_text.setdefault(text.strip() or "it ended without a word", []).append(name)
    told = "\n".join(f"{', '.join(names)}: {text}" for text, names in by_text.items())
    return StudyError(
        f"{counted(len(said), 'recipe')} of {of} cannot be planned: {', '.join(said)}",
        expected="data and a checkpoint that each recipe can be run with",
        received=told,
        fix="see what each of them says; --data-dir and --checkpoint hold for all, --sample needs no network",
    )


def _of_recipe(recipe: StudyRecipe, trials: int, runs: Sequence[_Run], probe: _Probe) -> dict[str, Any]:
    seconds = None if probe.plan["estimate"] is None else [probe.seconds(run.recipe) for run in runs]
    stages = [run.stage for run in runs]
    return {
        "name": recipe.name,
        "task": recipe.base.task.name,
        "starts_from": recipe.starts_from,
        "settings": len(recipe.settings()) or number_of_trials(recipe, trials),
        "runs": {stage: stages.count(stage) for stage in ("search", "final")},
        "steps": sum(probe.steps(run.recipe) for run in runs),
        "seconds": None if seconds is None else sum(seconds),
        "run_seconds": None if seconds is None else [min(seconds), max(seconds)],
        "peak_memory_bytes": probe.memory,
        "disk_bytes": probe.disk,
    }


def _seconds(
    study: Study, asked: Mapping[str, Sequence[_Run]], probes: Mapping[str, _Probe], slots: int | None
) -> dict[str, float | None]:
    """The seconds of all runs together, and until the last ends with so many at once; None if that is unknown."""
    free = [0.0] * (slots or 1)  # when each slot is free
    ready: dict[str, float] = {}  # when the last run of each recipe has ended
    total = 0.0
    for recipe in parents_first(study.recipes):
        begin = ready.get(recipe.starts_from or "", 0.0)
        for run in asked[recipe.name]:
            seconds = probes[recipe.name].seconds(run.recipe)
            end = max(heapq.heappop(free), begin) + seconds
            heapq.heappush(free, end)
            ready[recipe.name] = max(ready.get(recipe.name, 0.0), end)
            total += seconds
    return {"total": total, "wall": None if slots is None else max(ready.values(), default=0.0)}


def _disk(study: Study, asked: Mapping[str, Sequence[_Run]], probes: Mapping[str, _Probe]) -> dict[str, int]:
    """What the runs leave behind, with the models that are kept; and the most, before the others are removed."""
    kept = {"all": math.inf, "chosen": 1, "none": 0}[study.keep_models]
    most = sum(len(asked[name]) * probe.disk for name, probe in probes.items())
    removed = sum(int(max(len(asked[name]) - kept, 0)) * probe.model for name, probe in probes.items())
    return {"needed_bytes": most - removed, "most_bytes": most}
