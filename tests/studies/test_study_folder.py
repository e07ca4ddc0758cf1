"""What the folder of a study tells of its runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from glueft.studies.execution.folder import StudyFolder
from glueft.studies.result_file import read_result, write_result
from run_folders import make_run
from study_results import recipe_result, study_result, study_run


@pytest.mark.parametrize(
    ("metrics", "scored"),
    [
        ({"pearson": math.nan, "spearmanr": 0.5}, 0.25),
        ({"pearson": math.inf, "spearmanr": 0.5}, None),
        ({"spearmanr": 0.5}, None),
    ],
)
def test_a_metric_that_is_not_defined_counts_as_0_and_one_without_value_is_missing(
    tmp_path: Path, metrics: dict[str, float], scored: float | None
) -> None:
    planned = study_run("stsb", 1, state="waiting", folder=None)
    recipe = recipe_result("stsb", [planned], on="validation")
    make_run(tmp_path / "runs" / planned.name / "run", [1.0, 2.0], [1.0, 1.0], task="stsb", metrics=metrics)
    found = StudyFolder(tmp_path).look(planned, recipe, retries=0)
    assert found.state == "done" and found.score == scored
    write_result(study_result(recipe_result("stsb", [found]), folder=tmp_path))
    assert (
        "NaN" not in (tmp_path / "study.json").read_text() and "Infinity" not in (tmp_path / "study.json").read_text()
    )
    assert read_result(tmp_path).runs == [found]


def test_a_run_that_came_to_another_precision_is_not_the_one_that_is_named(tmp_path: Path) -> None:
    planned = study_run("mrpc", 1, state="waiting", folder=None)
    recipe = recipe_result("mrpc", [planned], on="validation")
    attempt = tmp_path / "runs" / planned.name / "run"
    make_run(attempt, [1], [1], engine={"backend": "jax", "precision": "mixed_bfloat16"})
    folder = StudyFolder(tmp_path)
    found = folder.look(planned, recipe, retries=0)
    assert (found.state, found.backend, found.precision) == ("done", "jax", "mixed_bfloat16")
    asked = replace(planned, asked_precision="float32")
    assert folder.look(asked, recipe, retries=0).state == "waiting"
    again = replace(asked, attempts=1, folder=None)
    assert folder.left_out({planned.name: again}, {}) == [
        (str(attempt), "it was computed in mixed_bfloat16, and float32 is asked for")
    ]
    assert folder.look(replace(planned, asked_precision="mixed_bfloat16"), recipe, retries=0).state == "done"
