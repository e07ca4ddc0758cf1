"""A study that is killed again and again ends as one that was left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kill_study import differences, run_study

from glueft.studies.result_file import read_result
from tiny_checkpoint import make_tiny_bert

STUDY = """
[study]
name = "killed"
recipes = ["mrpc", "rte"]
seeds = 2
start_from = { rte = "mrpc" }
[study.set]
"data.source" = "sample"
"data.limit_train" = 48
"data.limit_validation" = 32
"data.max_length" = 24
"training.epochs" = 2
"training.checkpoint_minutes" = 0.001
[study.grid.mrpc]
"schedule.initial_learning_rate" = [1e-4, 1e-3]
"""


@pytest.mark.slow
def test_a_study_that_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    make_tiny_bert(tmp_path / "bert", dropout=0.1)
    study = tmp_path / "killed.toml"
    study.write_text(STUDY)
    results = []
    for name, kills in (("whole", 0), ("killed", 4)):
        (tmp_path / name).mkdir()
        arguments = [str(study), "--checkpoint", str(tmp_path / "bert")]
        run_study(arguments, tmp_path / name, kills, random.Random(1), 15.0)
        results.append(read_result(tmp_path / name / "killed"))
    assert len(results[0].runs) == 6 and all(run.state == "done" for run in results[0].runs)
    assert differences(*results) == []
