"""Studies from Python: `glueft.study`, and rows that pandas takes."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas
import pytest

import glueft
import study_worker
from glueft.studies.execution import driver
from glueft.studies.findings import Findings
from study_results import of_scores, recipe_result, study_result, study_run


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that leave a folder and train nothing."""
    monkeypatch.setattr(driver, "PROGRAM", (sys.executable, study_worker.__file__))


def test_a_study_is_run_and_read_again(tmp_path: Path, stand_in: None) -> None:
    changes = ["study.seeds=1", "study.final_seeds=1", "study.grid={training.epochs = [1, 2]}"]
    study = glueft.load_study("mrpc-study", changes, sample=True)
    found = glueft.study(study, output_dir=tmp_path)
    assert found.folder == tmp_path / "mrpc-study"
    score, *_ = found.table()
    assert (score["recipe"], score["metric"], score["n"], score["asked"]) == ("mrpc", "score", 1, 1)
    runs = found.runs()
    assert [run["seed"] for run in runs] == [1, 1, 2]
    assert [run["training.epochs"] for run in runs] == [1, 2, runs[-1]["training.epochs"]]
    assert sum(run["in_table"] for run in runs) == 1
    assert glueft.read_study(found.folder).table() == found.table()


def test_rows_are_what_pandas_takes() -> None:
    failed = study_run("rte", 3, state="failed", folder=None)
    done = [study_run("rte", seed, 0.6 + seed / 100, setting={"training.epochs": 5}) for seed in (1, 2)]
    found = Findings(study_result(recipe_result("rte", [*done, failed])))
    runs = pandas.DataFrame(found.runs())
    assert runs["validation.accuracy"].mean() == pytest.approx(0.615)
    assert runs["training.epochs"].tolist()[:2] == [5, 5]
    assert runs["state"].tolist() == ["done", "done", "failed"]
    table = pandas.DataFrame(found.table()).set_index("recipe")
    assert table.loc["rte", "mean"] == pytest.approx(0.615)
    assert table.loc["rte", "failed"] == 1
    assert found.average() is None


def test_a_notebook_shows_the_table() -> None:
    found = Findings(of_scores({"rte": [[0.6], [0.7]], "cola": [[0.5], [0.6]]}))
    assert repr(found) == "Findings(glue: 4 runs: 4 done)"
    page = found._repr_html_()
    assert page.startswith("<pre ")
    assert "RTE" in page and "0.6500" in page
    average = found.average()
    assert average is not None
    assert average["mean"] == pytest.approx(0.6)


def test_a_study_shows_its_complete_file() -> None:
    study = glueft.load_study("mrpc-study", sample=True)
    assert repr(study) == "Study(mrpc-study: mrpc)"
    assert "[study]\nname = &quot;mrpc-study&quot;" in study._repr_html_()
    with pytest.raises(glueft.StudyError, match="the study mrpc-study is read and checked") as caught:
        glueft.study(study, {"study.seeds": 1})
    assert caught.value.fix == "give the changes to glueft.load_study"


def test_a_folder_is_no_study_to_run(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(glueft.GlueftError) as caught:
        glueft.load_study(tmp_path)
    assert f"glueft.read_study({str(tmp_path)!r})" in caught.value.fix


def test_a_folder_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(glueft.StudyError, match="is not the folder of a study"):
        glueft.read_study(tmp_path)
