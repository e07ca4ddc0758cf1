"""What a study asks for, from what has come of its runs: order, choice, fresh seeds, held-out rows, parents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from glueft.studies.definition.study import Range, StudyRecipe
from glueft.studies.execution.planned import Planner
from glueft.studies.execution.search import RandomSearch
from glueft.studies.result import RecipeResult, StudyRun
from small_studies import RATE, small_study
from small_studies import study_recipe as recipe


class Course:
    """A study whose runs end as a test says."""

    def __init__(self, *recipes: StudyRecipe, **changes: Any) -> None:
        asked = small_study(*recipes, **changes)
        self.planner = Planner(asked, RandomSearch(asked))
        self.known: dict[str, StudyRun] = {}

    def plan(self) -> list[RecipeResult]:
        plans = self.planner.plan(self.known)
        self.known |= {run.name: run for plan in plans for run in plan.runs}
        return plans

    def end(self, scores: Mapping[tuple[Any, int], float | None], **changes: Any) -> list[RecipeResult]:
        """End the runs with these learning rates and seeds; None for one that failed."""
        for name, run in self.known.items():
            score = scores.get((run.setting.get(RATE), run.seed), ...)
            if score is not ... and run.state == "waiting":
                state = "failed" if score is None else "done"
                self.known[name] = replace(run, state=state, score=score, **changes)
        return self.plan()


GRID = {RATE: (2e-5, 5e-5)}


def test_with_one_setting_all_runs_are_in_the_table_and_the_best_stands_for_the_recipe() -> None:
    course = Course(recipe())
    (planned,) = course.plan()
    assert [(run.seed, run.stage) for run in planned.runs] == [(1, "final"), (2, "final")]
    assert planned.chosen == {} and planned.reported == planned.runs and planned.chosen_run is None
    assert course.end({(None, 1): 0.7})[0].chosen_run is None
    (planned,) = course.end({(None, 2): 0.8})
    assert planned.chosen_run == planned.runs[1].name


def test_the_setting_with_the_best_mean_is_chosen_once_all_are_over() -> None:
    course = Course(recipe(grid=GRID))
    (planned,) = course.plan()
    assert [(run.setting[RATE], run.seed) for run in planned.runs] == [(2e-5, 1), (2e-5, 2), (5e-5, 1), (5e-5, 2)]
    (planned,) = course.end({(2e-5, 1): 0.7, (2e-5, 2): 0.7, (5e-5, 1): 0.9})
    assert planned.chosen is None and planned.reported == []
    (planned,) = course.end({(5e-5, 2): 0.6})
    assert planned.chosen == {RATE: 5e-5}
    assert planned.reason == "the best mean score on validation of 2 settings: 0.7500 over 2 seeds"
    assert [run.score for run in planned.reported] == [0.9, 0.6]
    assert planned.chosen_run == planned.reported[0].name


def test_fresh_seeds_and_all_rows_follow_the_choice() -> None:
    course = Course(recipe(grid=GRID), final_seeds=(7, 8, 9), choose="held_out")
    (planned,) = course.plan()
    assert len(planned.runs) == 4 and planned.on == "held_out"
    searched = planned.runs[0]
    of_search = course.planner.recipe_of(course.planner.recipes["mrpc"], searched.setting, 1, "search")
    assert of_search.data.held_out == 0.1
    (planned,) = course.end({(2e-5, 1): 0.7, (2e-5, 2): 0.7, (5e-5, 1): 0.6, (5e-5, 2): 0.6})
    assert [(run.setting[RATE], run.seed) for run in planned.reported] == [(2e-5, 7), (2e-5, 8), (2e-5, 9)]
    assert "on held-out rows of 2 settings" in planned.reason
    assert course.planner.recipe_of(course.planner.recipes["mrpc"], {}, 7, "final").data.held_out is None
    # The same seed with and without held-out rows is not the same run.
    course = Course(recipe(grid=GRID), choose="held_out")
    course.plan()
    (planned,) = course.end({(rate, seed): 0.5 for rate in (2e-5, 5e-5) for seed in (1, 2)})
    assert [run.seed for run in planned.reported] == [1, 2]
    assert not {run.name for run in planned.reported} & {run.name for run in planned.searched}


def test_a_setting_with_a_failed_run_comes_after_all_whole_ones() -> None:
    course = Course(recipe(grid=GRID))
    course.plan()
    (planned,) = course.end({(2e-5, 1): 0.99, (2e-5, 2): None, (5e-5, 1): 0.5, (5e-5, 2): 0.5})
    assert planned.chosen == {RATE: 5e-5} and planned.reason.endswith("failed or pruned runs came after all others")


def test_where_all_failed_nothing_is_chosen() -> None:
    course = Course(recipe(grid=GRID))
    course.plan()
    (planned,) = course.end({(rate, seed): None for rate in (2e-5, 5e-5) for seed in (1, 2)})
    assert planned.chosen is None and planned.chosen_run is None and planned.reason == ""


def test_smaller_is_better_for_an_error() -> None:
    course = Course(recipe("stsb", grid=GRID), metric="rmse")
    course.plan()
    (planned,) = course.end({(rate, seed): rate for rate in (2e-5, 5e-5) for seed in (1, 2)})
    assert planned.chosen == {RATE: 2e-5} and planned.chooses == "rmse"


def test_a_recipe_follows_the_one_it_begins_with() -> None:
    course = Course(recipe("rte", starts_from="mnli"), recipe("mnli"))
    assert [plan.name for plan in course.plan()] == ["mnli", "rte"]
    apart = Course(recipe("rte"), recipe("mnli"))
    names = [{run.name for run in each.plan()[-1].runs if run.recipe == "rte"} for each in (course, apart)]
    assert names[0] and not names[0] & {run.name for plan in apart.plan() for run in plan.runs}


@pytest.mark.parametrize(("task", "title"), [("sst2", "SST-2"), ("cola", "CoLA"), ("stsb", "STS-B"), ("ax", "ax")])
def test_a_task_has_the_title_of_its_benchmark(task: str, title: str) -> None:
    assert Course(recipe(task)).plan()[0].title == title


def test_a_recipe_that_holds_rows_out_is_told_by_them() -> None:
    (planned,) = Course(recipe(), choose="held_out").plan()  # There is nothing to choose.
    assert planned.on == "validation" and planned.runs[0].stage == "final"
    (planned,) = Course(recipe("mrpc", "data.held_out=0.1")).plan()
    assert (planned.primary_split, planned.splits, planned.on) == ("held_out", ("held_out",), "held_out")
    assert not planned.keeps_best and Course(recipe("mrpc", "training.keep=best")).plan()[0].keeps_best
    tuned = Course(recipe("mrpc", "decision.threshold=tuned")).plan()[0]
    assert not planned.tunes and tuple(tuned.tunes) == ("threshold",)
    settings = Course(recipe("mrpc", grid={"decision.threshold": ["tuned"], "training.keep": ["best"]}))
    (planned,) = settings.plan()
    assert planned.keeps_best and tuple(planned.tunes) == ("threshold",)
    (planned,) = Course(recipe("mnli", grid=GRID), choose="held_out", held_out=0.1).plan()
    assert (planned.primary_split, planned.on) == ("validation_matched", "held_out")


def test_a_collapsed_run_is_followed_by_a_fresh_seed_if_asked_and_both_count() -> None:
    course = Course(recipe(), retry_collapsed=True)
    course.plan()
    (planned,) = course.end({(None, 1): 0.5}, collapsed=True)
    assert [run.seed for run in planned.reported] == [1, 2, 3]
    (planned,) = course.end({(None, 2): 0.8})
    assert [(run.seed, run.collapsed) for run in planned.reported] == [(1, True), (2, False), (3, False)]
    assert len(Course(recipe()).plan()[0].runs) == 2


def test_drawn_settings_are_chosen_from_likewise() -> None:
    course = Course(recipe(ranges={RATE: Range(1e-5, 1e-4, log=True)}), trials=3, seeds=(1,))
    (planned,) = course.plan()
    assert [run.trial for run in planned.runs] == [0, 1, 2] and planned.chosen is None
    best = planned.runs[1].setting
    (planned,) = course.end({(run.setting[RATE], 1): float(run.setting == best) for run in planned.runs})
    assert planned.chosen == best and [run.trial for run in planned.reported] == [1]


@pytest.mark.parametrize(
    "change", [["training.epochs=7"], ["data.max_length=64"], ["model.checkpoint=./other"], ["training.batch_size=4"]]
)
def test_the_name_of_a_run_says_what_it_is_made_from(change: list[str]) -> None:
    one = Course(recipe()).plan()[0].runs
    again = Course(recipe()).plan()[0].runs
    other = Course(recipe("mrpc", *change)).plan()[0].runs
    assert [run.name for run in one] == [run.name for run in again]
    assert one[0].name.startswith("mrpc-seed1-") and not {run.name for run in one} & {run.name for run in other}


def test_what_changes_no_number_makes_no_other_run() -> None:
    quiet = recipe("mrpc", "training.checkpoint_minutes=3")
    assert Course(quiet).plan()[0].runs[0].name == Course(recipe()).plan()[0].runs[0].name


def test_a_precision_of_auto_is_that_of_earlier_studies_and_one_that_is_named_is_asked_for() -> None:
    """So the runs of a study from before "auto" are not run again."""
    auto, named = (
        Course(recipe("mrpc", f"engine.precision={value}")).plan()[0].runs[0] for value in ("auto", "float32")
    )
    assert auto.name == named.name
    assert (auto.asked_precision, named.asked_precision) == (None, "float32")
    other = Course(recipe("mrpc", "engine.precision=mixed_bfloat16")).plan()[0].runs[0]
    jax = Course(recipe("mrpc", "engine.backend=jax")).plan()[0].runs[0]
    assert len({auto.name, other.name, jax.name}) == 3


def folds_of(planned: RecipeResult) -> list[tuple[Any, int, int | None]]:
    return [(run.setting.get(RATE), run.seed, run.fold) for run in planned.runs]


def test_each_seed_of_a_setting_is_run_on_each_fold_and_the_mean_over_them_chooses() -> None:
    course = Course(recipe(grid=GRID), folds=3, fold_group="sentence1")
    (planned,) = course.plan()
    assert folds_of(planned) == [(rate, seed, fold) for rate in GRID[RATE] for seed in (1, 2) for fold in (1, 2, 3)]
    assert len({run.name for run in planned.runs}) == 12 and "-seed1-fold2-" in planned.runs[1].name
    assert (planned.primary_split, planned.splits, planned.on) == ("held_out", ("held_out",), "held_out")
    assert planned.folds == 3 and planned.published == ()
    of_run = course.planner.recipe_of(course.planner.recipes["mrpc"], {}, 1, "search", 2)
    assert of_run.data.fold is not None
    assert of_run.data.fold.model_dump() == {"number": 2, "of": 3, "group": "sentence1"}
    (planned,) = course.end({(2e-5, 1): 0.7, (2e-5, 2): 0.7, (5e-5, 1): 0.6, (5e-5, 2): 0.9})
    assert planned.chosen == {RATE: 5e-5} and len(planned.reported) == 6
    assert planned.reason == "the best mean score on held-out rows of 2 settings: 0.7500 over 3 folds and 2 seeds"


def test_folds_may_choose_a_setting_that_is_then_run_on_all_rows() -> None:
    course = Course(recipe(grid=GRID), seeds=(1,), folds=2, choose="held_out")
    (planned,) = course.plan()
    assert len(planned.runs) == 4 and (planned.on, planned.primary_split, planned.folds) == (
        "held_out",
        "validation",
        None,
    )
    (planned,) = course.end({(2e-5, 1): 0.7, (5e-5, 1): 0.6})
    assert [(run.stage, run.fold) for run in planned.reported] == [("final", None)]
    assert not course.planner.recipe_of(course.planner.recipes["mrpc"], {}, 1, "final").data.holds_out


def test_with_one_setting_the_table_has_its_folds_and_a_collapsed_one_is_run_again_on_its_own() -> None:
    course = Course(recipe(), seeds=(1,), folds=2, retry_collapsed=True)
    assert [(run.stage, run.fold) for run in course.plan()[0].runs] == [("final", 1), ("final", 2)]
    (planned,) = course.end({(None, 1): 0.5}, collapsed=True)
    assert folds_of(planned)[2:] == [(None, 2, 1), (None, 3, 2)]
