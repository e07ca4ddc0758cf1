"""Which runs a study asks for, given what has come of those so far. Nothing is read or written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glueft.metrics import lower_is_better, metric_facts
from glueft.studies.execution.choice import Choice, choose
from glueft.studies.result import RecipeResult, Stage, StudyRun
from glueft.training.fingerprints import settings_to_hash

if TYPE_CHECKING:
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Study, StudyRecipe
    from glueft.studies.execution.search import Search

# What tells two runs of a recipe apart beside the settings that change numbers: where rows, checkpoint and teacher come
# from.
_PLACES = {
    "data": ("source", "folder", "revision"),
    "model": ("checkpoint", "revision"),
    "distill": ("teacher", "revision"),
}
# Of a seed that stands in for those of runs that have collapsed.
_LARGEST_SEED = 2**32 - 1


class Planner:
    """The plan of a study, which grows with its results.

    Args:
        study: what is asked for.
        search: draws the settings of recipes with ranges.
    """

    def __init__(self, study: Study, search: Search) -> None:
        self.study = study
        self.search = search
        self.recipes = {recipe.name: recipe for recipe in parents_first(study.recipes)}
        self._settings: dict[tuple[str, str, bool, int | None], tuple[dict[str, Any], str | None]] = {}
        self._names: dict[tuple[str, str, bool, int | None, int], str] = {}
        # By name of a run, the precision that its recipe names; None for "auto".
        self._precisions: dict[str, str | None] = {}

    def plan(self, known: Mapping[str, StudyRun], free: int = 1) -> list[RecipeResult]:
        """Return every recipe with the runs that are asked for now, those that begin with another's first.

        Args:
            known: what has come of the runs that were planned before, by name; others wait.
            free: how many runs could begin now.
        """
        return [self._recipe(recipe, known, free) for recipe in self.recipes.values()]

    def _recipe(self, recipe: StudyRecipe, known: Mapping[str, StudyRun], free: int) -> RecipeResult:
        study, facts = self.study, _facts(recipe, self.study)
        searched: list[StudyRun] = []
        if recipe.ranges:
            before = [run for run in known.values() if run.recipe == recipe.name and run.stage == "search"]
            drawn = self.search.draw(recipe, before, facts, free)
            settings = [setting for _, setting in drawn.trials]
            searched = [*self._runs(recipe, "search", drawn.trials, study.repeats("search"), known)]
            is_open = not drawn.complete
        else:
            settings, is_open = recipe.settings(), False
        if recipe.is_choice and not recipe.ranges:
            tried = [(None, each) for each in settings]
            searched = [*self._runs(recipe, "search", tried, study.repeats("search"), known)]
        choice: Choice | None = None
        if not recipe.is_choice:
            choice = Choice(settings[0], "there is one setting")
        elif not is_open and all(run.state in ("done", "pruned", "failed") for run in searched):
            choice = choose(searched, facts)
        final: list[StudyRun] = []
        if choice is not None:
            facts = replace(facts, **_fitted_to_the_table(recipe.recipe(choice.setting, study.seeds[0])))
            if not recipe.is_choice or study.choose == "held_out" or study.final_seeds is not None:
                chosen = [(choice.trial, choice.setting)]
                final = [*self._runs(recipe, "final", chosen, study.repeats("final"), known)]
        planned = replace(
            facts,
            settings=settings,
            chosen=None if choice is None else choice.setting,
            reason="" if choice is None else choice.reason,
            runs=[*searched, *final],
        )
        if study.retry_collapsed:
            planned = replace(planned, runs=[*planned.runs, *self._again(recipe, planned, known)])
        return replace(planned, chosen_run=_best(planned))

    def _runs(
        self,
        recipe: StudyRecipe,
        stage: Stage,
        settings: Iterable[tuple[int | None, Mapping[str, Any]]],
        repeats: Sequence[tuple[int, int | None]],
        known: Mapping[str, StudyRun],
    ) -> Iterator[StudyRun]:
        for trial, setting in settings:
            for seed, fold in repeats:
                name = self._name(recipe, stage, setting, seed, fold)
                run = known.get(name) or StudyRun(name, recipe.name, recipe.base.task.name, stage, setting, seed)
                asked = self._precisions[name]
                yield replace(run, stage=stage, setting=setting, trial=trial, asked_precision=asked, fold=fold)

    def _again(self, recipe: StudyRecipe, planned: RecipeResult, known: Mapping[str, StudyRun]) -> Iterator[StudyRun]:
        """A run on a fresh seed for each of the table's that has collapsed."""
        seeds = {*self.study.seeds, *(self.study.final_seeds or ())}
        fresh = (seed for seed in range(_LARGEST_SEED) if seed not in seeds and seed > min(seeds))
        for run in planned.reported:
            if run.collapsed:
                again = [(next(fresh), run.fold)]
                yield from self._runs(recipe, run.stage, [(run.trial, run.setting)], again, known)

    def _name(self, recipe: StudyRecipe, stage: Stage, setting: Mapping[str, Any], seed: int, fold: int | None) -> str:
        """Return the name of a run: the same for the same recipe, rows and checkpoint, as the recipe names them."""
        held_out = stage == "search" and self.study.choose == "held_out"
        key = recipe.name, json.dumps(setting, sort_keys=True, default=str), held_out, fold
        if (*key, seed) in self._names:
            return self._names[*key, seed]
        if key not in self._settings:
            tables = self.recipe_of(recipe, setting, seed, stage, fold).tables()
            precision = tables["engine"]["precision"]
            known = run_identity(tables)
            if recipe.starts_from is not None:
                known["places"]["model"] = {"starts_from": recipe.starts_from}
            self._settings[key] = known, None if precision == "auto" else precision
        known, precision = self._settings[key]
        known["settings"]["training"]["seed"] = seed
        digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()
        of_fold = "" if fold is None else f"-fold{fold}"
        name = self._names[*key, seed] = f"{recipe.name}-seed{seed}{of_fold}-{digest[:8]}"
        self._precisions[name] = precision
        return name

    def recipe_of(
        self,
        recipe: StudyRecipe,
        setting: Mapping[str, Any],
        seed: int,
        stage: Stage,
        fold: int | None = None,
        checkpoint: str | None = None,
    ) -> Recipe:
        """Return the complete recipe of a run; `checkpoint` is that of the run that it begins with, if it does."""
        held_out = self.study.held_out_by(stage, fold)
        return recipe.recipe(setting, seed, held_out=held_out, checkpoint=checkpoint)


def run_identity(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells two runs of a complete recipe apart: settings that change numbers, rows, checkpoint, teacher.

    A recipe that names a precision does not take a run of its name that came to another: see `StudyFolder.look`.
    """
    places = {name: {place: tables[name].get(place) for place in _PLACES[name]} for name in _PLACES if name in tables}
    return {"settings": settings_to_hash(tables), "places": places}


def _facts(recipe: StudyRecipe, study: Study) -> RecipeResult:
    """What is known of a recipe before anything has run."""
    task, data = recipe.base.task, recipe.base.data
    # A recipe that holds rows out itself never looks at the validation rows.
    held_out = data.holds_out or study.in_folds("final")
    splits = ("held_out",) if held_out else task.validation_splits
    return RecipeResult(
        name=recipe.name,
        task=task.name,
        title=_title(task),
        metrics=task.metrics,
        primary_split=splits[0],
        splits=splits,
        chooses=study.metric or (task.metrics[0] if len(task.metrics) == 1 else "score"),
        on="held_out" if study.choose == "held_out" and recipe.is_choice else splits[0],
        lower_is_better=lower_is_better(study.metric or task.metrics[0]),
        settings=[],
        chosen=None,
        reason="",
        chosen_run=None,
        runs=[],
        starts_from=recipe.starts_from,
        metric_facts=metric_facts(task.metrics),
        **_fitted_to_the_table(recipe.base),
        published=() if data.source == "sample" or held_out else task.published,
        folds=study.folds if study.in_folds("final") else None,
    )


def _fitted_to_the_table(recipe: Recipe) -> dict[str, Any]:
    """What of the runs of a recipe is chosen by the rows of the table: a setting of a grid may say so."""
    return {"keeps_best": recipe.training.keep == "best", "tunes": recipe.decision.tuned}


def _title(task: Task) -> str:
    """Return the name of a task as its benchmark writes it, "SST-2", where its folder has it; else its own."""
    folder = "" if task.tsv is None else task.tsv.folder
    return folder if folder.replace("-", "").lower() == task.name else task.name


def _best(planned: RecipeResult) -> str | None:
    """Return the name of the best run of the table, once all of it is done; of equal ones the first.

    One that has collapsed is taken only where all have: other runs begin with its model.
    """
    runs = planned.reported
    if not runs or any(run.state in ("waiting", "running") for run in runs):
        return None
    scored = [run for run in runs if run.score is not None]
    sign = -1 if planned.lower_is_better else 1
    return max(scored, key=lambda run: (not run.collapsed, sign * (run.score or 0.0))).name if scored else None


def parents_first(recipes: Iterable[StudyRecipe]) -> list[StudyRecipe]:
    """Return recipes in their order, but each after the one whose run it begins with."""
    by_name = {recipe.name: recipe for recipe in recipes}
    order: dict[str, StudyRecipe] = {}

    def add(recipe: StudyRecipe) -> None:
        if recipe.starts_from is not None and recipe.starts_from not in order:
            add(by_name[recipe.starts_from])
        order.setdefault(recipe.name, recipe)

    for recipe in by_name.values():
        add(recipe)
    return [*order.values()]
