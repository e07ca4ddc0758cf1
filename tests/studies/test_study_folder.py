"""What the folder of a study tells of its runs."""

from __future__ import annotations

import math
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
