"""Runs of a search that fall behind the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glueft.studies.definition.study import Prune
from glueft.studies.execution.prune import why_prune
from glueft.studies.result import StudyRun
from study_results import study_run


def run(trial: int, *scores: float, **changes: object) -> StudyRun:
    made = study_run("mrpc", 1, stage="search", state="running", setting={"x": trial}, trial=trial, steps=30)
    validations = [(epoch, 10 * epoch, score) for epoch, score in enumerate(scores, 1)]
    return replace(made, validations=validations, **changes)  # type: ignore[arg-type]


OTHERS = [run(1, 0.5, 0.6), run(2, 0.6, 0.7), run(3, 0.7, 0.8), run(4, 0.8, 0.9, state="pruned")]
RULE = Prune(runs=4, epochs=1)


def test_below_the_median_of_the_others_after_the_same_epoch() -> None:
    assert why_prune(run(9, 0.64), OTHERS, RULE, lower_is_better=False) == (
        "0.6400 after epoch 1: below 0.6500, the median of 4 runs"
    )
    assert why_prune(run(9, 0.66), OTHERS, RULE, lower_is_better=False) is None
    assert why_prune(run(9, 0.66), OTHERS, RULE, lower_is_better=True) == (
        "0.6600 after epoch 1: above 0.6500, the median of 4 runs"
    )


def test_the_best_score_so_far_counts() -> None:
    assert why_prune(run(9, 0.8, 0.7), OTHERS, RULE, lower_is_better=False) is None
    assert why_prune(run(9, 0.7, 0.7), OTHERS, RULE, lower_is_better=False) is not None


@pytest.mark.parametrize(
    ("behind", "others", "rule"),
    [
        (run(9, 0.1), OTHERS[:3], RULE),
        (run(9, 0.1), OTHERS, Prune(runs=4, epochs=2)),
        (run(9), OTHERS, RULE),
        (run(9, 0.1, 0.1, 0.1), [*OTHERS, *(replace(other, validations=((3, 30, 0.9),)) for other in OTHERS)], RULE),
        (run(9, 0.1, stage="final"), OTHERS, RULE),
        (run(1, 0.1), OTHERS, RULE),
        (run(9, 0.1, 0.1), [*OTHERS[:3], run(4, 0.9)], RULE),
    ],
    ids=["few runs", "early epoch", "no epoch yet", "at its end", "final", "own setting", "others not as far"],
)
def test_a_run_goes_on(behind: StudyRun, others: list[StudyRun], rule: Prune) -> None:
    assert why_prune(behind, others, rule, lower_is_better=False) is None
