"""What a study's table says of tasks and of all of them: counts, scores of several metrics and splits, the average."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import scipy.stats

from glueft.studies.result import RecipeResult, StudyResult
from glueft.studies.tables.summary import average, best_of, lines
from glueft.studies.tables.table import markdown
from study_results import of_scores, recipe_result, study_result, study_run

# "BERT: 24-layers, 16-heads, 1024-hidden" on GLUE's leaderboard, in percent; its score there is 80.5.
BERT_LARGE: dict[str, tuple[float, ...]] = {
    "cola": (60.5,),
    "sst2": (94.9,),
    "mrpc": (85.4, 89.3),
    "stsb": (87.6, 86.5),
    "qqp": (89.3, 72.1),
    "mnli": (86.7, 85.9),
    "qnli": (92.7,),
    "rte": (70.1,),
    "wnli": (65.1,),
}


def mnli(*pairs: tuple[float, float], **changes: Any) -> RecipeResult:
    """MNLI with the accuracies of matched and mismatched rows of each run."""
    runs = [
        study_run(
            "mnli",
            seed,
            score=matched,
            metrics={"validation_matched": {"accuracy": matched}, "validation_mismatched": {"accuracy": mismatched}},
        )
        for seed, (matched, mismatched) in enumerate(pairs, 1)
    ]
    return recipe_result("mnli", runs, **changes)


def bert_large(*tasks: str, around: tuple[float, ...] = (0.0,)) -> StudyResult:
    """Its scores, in each run moved by one of `around`."""
    recipes = []
    for task in tasks or BERT_LARGE:
        values = [[value / 100 + moved for value in BERT_LARGE[task]] for moved in around]
        if task == "mnli":
            recipes.append(mnli(*[(first, other) for first, other in values]))
        else:
            recipes.append(recipe_result(task, [study_run(task, seed, *run) for seed, run in enumerate(values, 1)]))
    return study_result(*recipes)


def test_the_average_is_that_of_the_leaderboard() -> None:
    found = average(bert_large())
    assert found is not None and found.name == "GLUE average" and len(found.tasks) == 9
    assert round(100 * found.mean, 1) == 80.5
    assert found.interval is None  # from one run of each


def test_the_interval_of_the_average_is_that_of_independent_means() -> None:
    found = average(bert_large(around=(-0.01, 0.0, 0.01)))
    assert found is not None and found.interval is not None
    # All spreads are alike: variance 0.01^2 / 3 of each of 9 means, 2 degrees of freedom each.
    half = scipy.stats.t.ppf(0.975, 18) * 0.01 / math.sqrt(27)
    assert found.interval == (pytest.approx(found.mean - half), pytest.approx(found.mean + half))


def test_without_wnli_it_says_so_and_ax_is_never_in_it() -> None:
    eight = [task for task in BERT_LARGE if task != "wnli"]
    found = average(bert_large(*eight))
    assert found is not None and found.name == "GLUE average without WNLI" and len(found.tasks) == 8
    ax = recipe_result("ax", [study_run("ax", 1, 0.4)])
    with_ax = average(study_result(*bert_large(*eight).recipes, ax))
    assert with_ax is not None and with_ax.name == found.name and with_ax.mean == found.mean
    assert with_ax.left_out == ["AX: GLUE's average does not count it"]


def test_of_some_tasks_or_of_other_rows_it_has_another_name() -> None:
    found = average(bert_large("cola", "mrpc", "rte", "stsb"))
    assert found is not None and found.name == "average of these 4 tasks"
    assert found.mean == pytest.approx((0.605 + 0.8735 + 0.701 + 0.8705) / 4)
    recipes = bert_large().recipes
    limited = replace(recipes[0], row_notes=["validation is limited to the first 60 of 1,043 rows"])
    others = average(study_result(limited, *recipes[1:]))
    assert others is not None and others.name == "average of these 9 tasks"
    broken = replace(recipes[0], row_notes=["validation is without 2 broken lines of its file"])
    same = average(study_result(broken, *recipes[1:]))
    assert same is not None and same.name == "GLUE average"


def test_there_is_no_average_of_one_task_of_a_task_twice_or_without_a_score() -> None:
    assert average(bert_large("cola")) is None
    twice = recipe_result("mrpc-long", [study_run("mrpc-long", 1, 0.8, 0.9, task="mrpc")], task="mrpc")
    assert average(study_result(*bert_large("mrpc", "rte").recipes, twice)) is None
    open_one = recipe_result("rte", [study_run("rte", 1, state="waiting", folder=None)])
    assert average(study_result(*bert_large("mrpc", "cola").recipes, open_one)) is None


def test_a_task_with_two_metrics_has_their_mean_first() -> None:
    score, accuracy, f1 = lines(of_scores({"mrpc": [(0.84, 0.88), (0.86, 0.90), (0.82, 0.89)]}))
    assert (score.metric, accuracy.metric, f1.metric) == ("score", "accuracy", "f1")
    assert [*score.scores.values()] == pytest.approx([0.86, 0.88, 0.855])
    assert score.summary is not None and score.summary.mean == pytest.approx(0.865)
    assert score.published["bert-base-cased"] == pytest.approx((0.8407 + 0.8885) / 2)
    assert accuracy.published == {"bert-base-cased": 0.8407, "bert-base-uncased": 0.8578}


def test_the_splits_of_mnli_are_lines_of_their_own() -> None:
    matched, mismatched = lines(study_result(mnli((0.83, 0.84), (0.85, 0.84), baseline={"accuracy": 0.35})))
    assert (matched.title, mismatched.title) == ("MNLI matched", "MNLI mismatched")
    assert matched.summary is not None and matched.summary.mean == pytest.approx(0.84)
    assert (matched.baseline, mismatched.baseline) == (0.35, None)
    assert (matched.published, mismatched.published) == ({"bert-base-cased": 0.8391}, {"bert-base-cased": 0.8410})


def test_collapsed_runs_count_and_failed_ones_are_counted() -> None:
    runs = [
        study_run("rte", 1, 0.66),
        study_run("rte", 2, 0.53, collapsed=True),
        study_run("rte", 3, state="failed", error="no room"),
    ]
    (line,) = lines(study_result(recipe_result("rte", runs)))
    assert line.summary is not None and line.summary.n == 2 and line.summary.mean == pytest.approx(0.595)
    chosen_soon = recipe_result("rte", [study_run("rte", 1, 0.6, stage="search")], chosen=None)
    assert lines(study_result(chosen_soon)) == []
    assert (line.asked, line.failed, line.collapsed) == (3, 1, 1)
    assert line.as_dict()["n"] == 2 and line.as_dict()["mean"] == line.summary.mean


def test_metrics_of_other_directions_are_not_averaged() -> None:
    values = {"validation": {"pearson": 0.8, "mean_absolute_error": 0.5}}
    runs = [study_run("stsb", seed, metrics=values, score=0.5) for seed in (1, 2)]
    errors = recipe_result("stsb", runs, metrics=("pearson", "mean_absolute_error"), lower_is_better=True)
    assert [(line.metric, line.lower_is_better) for line in lines(study_result(errors))] == [
        ("pearson", False),
        ("mean_absolute_error", True),
    ]
    found = average(study_result(*bert_large("mrpc", "rte").recipes, errors))
    assert found is not None and [*found.tasks] == ["MRPC", "RTE"]
    assert found.left_out == ["STSB: pearson, mean_absolute_error cannot be averaged with other scores"]


def test_a_recipe_has_no_line_while_its_setting_is_open_and_an_empty_one_where_all_its_runs_have_failed() -> None:
    failed = [study_run("rte", seed, state="failed", score=None) for seed in (1, 2)]
    still = [study_run("rte", seed, state="waiting", score=None) for seed in (1, 2)]
    (line,) = lines(study_result(recipe_result("rte", failed, chosen=None), recipe_result("rte", still, chosen=None)))
    assert (line.asked, line.failed, line.summary) == (2, 2, None)
    assert "| RTE | accuracy | 0 of 2 |" in markdown(study_result(recipe_result("rte", failed, chosen=None)))


def test_the_expected_best_is_of_the_search_where_there_was_one() -> None:
    settings = [{"training.epochs": 1}, {"training.epochs": 2}]
    runs = [
        study_run("rte", seed, score, setting=setting, stage="search")
        for setting, scores in zip(settings, ((0.6, 0.5), (0.7, 0.4)), strict=True)
        for seed, score in enumerate(scores, 1)
    ]
    final = [study_run("rte", seed, 0.9, setting=settings[0]) for seed in (8, 9)]
    (found,) = best_of(study_result(recipe_result("rte", [*runs, *final], settings=settings, chosen=settings[0])))
    assert (found.runs, found.settings) == (4, 2)
    # Of the six pairs of 0.4, 0.5, 0.6 and 0.7 three have 0.7 as their best, two 0.6, one 0.5.
    assert [*found.best] == [1, 2, 3] and found.best[2] == pytest.approx((3 * 0.7 + 2 * 0.6 + 0.5) / 6)
    (held_out,) = best_of(study_result(recipe_result("rte", runs, on="held_out")))
    assert held_out.score == "accuracy on held-out rows"
    assert best_of(of_scores({"rte": [(0.6,)]})) == []
