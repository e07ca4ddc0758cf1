"""What is said below the table, so that its numbers are not taken for more than they are."""

from __future__ import annotations

from typing import Any

import pytest

from glueft.studies.result import RecipeResult
from glueft.studies.tables.notes import cut, notes
from study_results import of_scores, recipe_result, study_result, study_run

SETTINGS = [{"schedule.initial_learning_rate": 2e-05}, {"schedule.initial_learning_rate": 5e-05}]


def note_on(words: str, *recipes: RecipeResult, **changes: Any) -> str:
    """The only note that holds the words."""
    (found,) = [note for note in notes(study_result(*recipes, **changes)) if words in note]
    return found


def searched(*, final: bool, on: str = "validation") -> RecipeResult:
    """RTE with two settings, the second chosen."""
    runs = [
        study_run("rte", seed, 0.6, setting=setting, stage="search", name=f"rte-{place}-{seed}")
        for place, setting in enumerate(SETTINGS)
        for seed in (1, 2)
    ]
    runs += [study_run("rte", seed, 0.6 + seed / 100, setting=SETTINGS[1]) for seed in (8, 9)] if final else []
    reason = "the best mean accuracy on validation of 2 settings: 0.6000 over 2 seeds"
    return recipe_result("rte", runs, settings=SETTINGS, chosen=SETTINGS[1], reason=reason, on=on)


def test_what_one_two_and_equal_runs_tell_is_said() -> None:
    found = of_scores({"rte": [(0.6,)], "cola": [(0.5,), (0.6,)], "sst2": [(0.9,), (0.8,)], "qnli": [(0.9,)] * 3})
    said = notes(found)
    assert "RTE: one run tells no spread and no interval; on another seed it may be quite another score" in said
    assert (
        "COLA, SST2: an interval from 2 runs is 12.7 standard errors to each side, and says little; a third run makes "
        "that 4.3" in said
    )
    assert "QNLI: all 3 runs have the same score, which tells no interval" in said


def test_a_metric_whose_runs_are_equal_is_named() -> None:
    said = notes(of_scores({"mrpc": [(0.8, 0.8), (0.8, 0.9), (0.8, 0.85)]}))
    assert "MRPC accuracy: all 3 runs have the same score, which tells no interval" in said


def test_failed_runs_are_named() -> None:
    failed = [study_run("rte", seed, state="failed", error="no room", name=f"rte-{seed}") for seed in range(6)]
    said = note_on("failed", recipe_result("rte", [study_run("rte", 9, 0.6), *failed]))
    assert said.startswith("RTE: 6 of 7 runs failed and are in no number: rte-0: no room; rte-1: no room; ")
    assert said.endswith("rte-4: no room and 1 more")


def test_collapsed_runs_are_named_and_what_they_do_to_the_interval() -> None:
    runs = [study_run("rte", seed, 0.6 + seed / 100, collapsed=seed == 2, name=f"rte-{seed}") for seed in (1, 2, 3)]
    said = note_on("collapsed", recipe_result("rte", runs))
    assert said.startswith("RTE: 1 of 3 runs collapsed and is counted like the others (rte-2); ")
    assert "an interval from few of them often misses the mean" in said
    again = note_on("one more seed", recipe_result("rte", runs), study={"study": {"retry_collapsed": True}})
    assert "their share looks smaller than it is" in again


def test_scores_of_the_runs_that_chose_are_said_to_look_better() -> None:
    assert note_on("5e-05", searched(final=False)) == (
        "RTE: initial_learning_rate=5e-05: the best mean accuracy on validation of 2 settings: 0.6000 over 2 seeds"
    )
    said = note_on("the very runs that chose", searched(final=False))
    assert said.startswith("RTE: ") and "the best of 2 looks better than it is; final_seeds, or choose" in said


def test_fresh_seeds_on_the_same_rows_are_a_little_better() -> None:
    assert "on the same rows, which inflates them a little" in note_on("of other seeds", searched(final=True))


def test_a_draw_of_rows_that_was_chosen_is_said_to_be_the_best_one() -> None:
    settings = [{"data.draw": 1}, {"data.draw": 2}]
    runs = [
        study_run("rte", seed, score, setting=setting, stage="search")
        for setting, scores in zip(settings, [(0.5, 0.6), (0.6, 0.7)], strict=True)
        for seed, score in enumerate(scores, 1)
    ]
    recipe = recipe_result("rte", runs, settings=settings, chosen=settings[1], reason="the best")
    said = note_on("data.draw is a part", recipe)
    assert said.endswith("Over all 4 runs of the search the accuracy is 0.6000 ± 0.0816")


def test_held_out_rows_inflate_nothing() -> None:
    assert "so that the scores are not inflated" in note_on("held out", searched(final=True, on="held_out"))


def test_scores_on_held_out_rows_alone_are_said_to_be_that() -> None:
    runs = [study_run("rte", 1, metrics={"held_out": {"accuracy": 0.6}}, score=0.6)]
    recipe = recipe_result("rte", runs, primary_split="held_out", splits=("held_out",), on="held_out", published=())
    assert note_on("not of the validation rows", recipe).startswith(
        "RTE: the scores are of training rows that were held"
    )
    said = notes(study_result(recipe, *of_scores({"cola": [(0.5,)]}).recipes))
    assert "average of these 2 tasks: not that of a benchmark, whose rows are others: RTE" in said


def test_runs_that_keep_their_best_evaluation_are_said_to_look_better() -> None:
    said = note_on("training.keep", recipe_result("rte", [study_run("rte", 1, 0.6)], keeps_best=True))
    assert said.startswith("RTE: each run keeps its best evaluation on these rows") and "than it is" in said


def test_runs_that_tune_their_decision_are_said_to_look_better() -> None:
    tuned = recipe_result("rte", [study_run("rte", 1, 0.6)], tunes=("threshold", "temperature"))
    assert note_on("[decision]", tuned).startswith(
        "RTE: each run tunes its threshold and its temperature on these rows"
    )


def test_what_went_wrong_in_the_search_is_counted() -> None:
    runs = [
        study_run("rte", 1, 0.6, setting=SETTINGS[1], stage="search"),
        study_run("rte", 2, 0.5, setting=SETTINGS[0], stage="search", collapsed=True),
        study_run("rte", 3, state="pruned", setting=SETTINGS[0], stage="search"),
        study_run("rte", 4, state="failed", setting=SETTINGS[0], stage="search"),
    ]
    recipe = recipe_result("rte", runs, settings=SETTINGS, chosen=SETTINGS[1], reason="the best")
    assert "without 2 runs of the search stopped early or failed, and so rather too high" in note_on("too high", recipe)
    assert "(of 4 runs of the search 1 failed, 1 stopped early, 1 collapsed)" in note_on("(of 4 runs", recipe)


def test_runs_that_lack_a_metric_are_named() -> None:
    runs = [study_run("mrpc", 1, 0.8, 0.9), study_run("mrpc", 2, metrics={"validation": {"accuracy": 0.8}})]
    said = note_on("without a value", recipe_result("mrpc", runs))
    assert said == "MRPC: 1 of 2 runs without a value of each metric: mrpc-seed2-0badcafe"


def test_a_start_from_another_run_is_said() -> None:
    parent = recipe_result("mnli", [study_run("mnli", 1, 0.8)])
    child = recipe_result("rte", [study_run("rte", 1, 0.7)], starts_from="mnli")
    said = note_on("encoder of one run", parent, child)
    assert said.startswith("RTE: every run begins with the encoder of one run of mnli (mnli-seed1-0badcafe)")


def test_what_is_open_or_left_out_is_said() -> None:
    waiting = recipe_result("rte", [study_run("rte", 1, 0.6), study_run("rte", 2, state="waiting", folder=None)])
    assert note_on("not finished", waiting) == "RTE: not finished: 1 of 2 runs still to be done"
    none = recipe_result("rte", [study_run("rte", 1, state="failed")], chosen=None)
    assert note_on("no setting", none) == "RTE: no setting could be chosen: no run has a score"
    assert note_on("failed", none).startswith("RTE: 1 of 1 run failed and is in no number: rte-seed1-0badcafe: ")


def test_the_terminal_gets_no_notes_on_columns_of_the_files() -> None:
    found = of_scores({"rte": [(0.6,), (0.7,), (0.8,)]})
    assert {note.partition(":")[0] for note in notes(found)} - {
        note.partition(":")[0] for note in notes(found, short=True)
    } == {"IQM", "expected best of k"}


def test_what_is_left_out_is_named() -> None:
    waiting = recipe_result("rte", [study_run("rte", 1, 0.6), study_run("rte", 2, state="waiting", folder=None)])
    left = note_on("left out", waiting, left_out=[("/studies/glue/runs/x", "no longer asked for")])
    assert left == "left out: runs/x: no longer asked for"  # as seen from the study, which may be moved


def test_other_rows_and_what_the_average_is_are_said() -> None:
    rows = ["validation has 60 rows; officially it has 277"]
    sample = recipe_result("rte", [study_run("rte", 1, 0.6)], row_notes=rows)
    other = recipe_result("cola", [study_run("cola", 1, 0.5)])
    said = notes(study_result(sample, other))
    assert f"RTE: rows: {rows[0]}" in said
    assert "average of these 2 tasks: not that of a benchmark, whose rows are others: RTE" in said
    assert "average of these 2 tasks: no interval (one run only: RTE, COLA)" in said
    both = notes(of_scores({"rte": [(0.6,), (0.7,)], "cola": [(0.5,), (0.6,)]}))
    assert any("the variances of the tasks' means (Satterthwaite 1946)" in note for note in both)
    equal = notes(of_scores({"rte": [(0.6,), (0.6,)], "cola": [(0.5,), (0.6,)]}))
    assert "average of these 2 tasks: the interval is too narrow, for the runs tell no spread: RTE" in equal
    assert any("while a benchmark's own score is of its test rows" in note for note in said)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (
            recipe_result("long", [study_run("long", 1, 0.8, 0.9, task="mrpc")], task="mrpc"),
            "more than one recipe of mrpc",
        ),
        (recipe_result("cola", [study_run("cola", 1, state="failed")]), "no score yet of COLA"),
    ],
)
def test_why_there_is_no_average_is_said(recipe: RecipeResult, reason: str) -> None:
    others = of_scores({"mrpc": [(0.8, 0.9)], "rte": [(0.6,)]}).recipes
    assert note_on("no average", *others, recipe) == f"no average over tasks: {reason}"


def test_published_scores_come_with_their_source_and_small_metrics_with_their_direction() -> None:
    assert "bert-base-cased in huggingface/transformers" in note_on("published", *of_scores({"rte": [(0.6,)]}).recipes)
    values = {"validation": {"mean_absolute_error": 0.5}}
    errors = recipe_result("stsb", [study_run("stsb", 1, metrics=values, score=0.5)], metrics=("mean_absolute_error",))
    assert note_on("the lower", errors) == "the lower, the better: mean_absolute_error"


def test_an_interval_is_cut_where_no_scores_are() -> None:
    assert cut((0.6, 1.2), (0.0, 1.0)) == "0.6000 to 1.0000"
    assert cut((-0.2, 1.2), (None, None)) == "-0.2000 to 1.2000"


def test_runs_that_were_not_computed_alike_are_told() -> None:
    float32, bfloat16 = (
        {"backend": "tensorflow", "precision": "float32"},
        {"backend": "jax", "precision": "mixed_bfloat16"},
    )
    runs = [study_run("rte", seed, 0.6 + seed / 100, **(bfloat16 if seed == 3 else float32)) for seed in (1, 2, 3)]
    said = note_on("not computed alike", recipe_result("rte", runs))
    assert "(2 in float32 on tensorflow, 1 in mixed_bfloat16 on jax)" in said
    assert not [note for note in notes(study_result(recipe_result("rte", runs[:2]))) if "computed alike" in note]
