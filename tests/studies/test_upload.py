"""The runs of a study in an upload."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.studies.result_file import read_result, write_result
from glueft_tasks.qqp import QQP
from study_results import recipe_result, study_result, study_run
from submission_runs import make_run


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MRPC with two runs, the second of which is chosen; CoLA, whose run has failed; and rows of the user's own."""
    monkeypatch.setattr(QQP, "sizes", QQP.sizes | {"test": 100})
    folder = tmp_path / "studies" / "glue"
    chosen = make_run(folder / "runs" / "mrpc-seed2-0badcafe", "mrpc")
    mrpc = [study_run("mrpc", 1, 0.8, 0.9), study_run("mrpc", 2, 0.9, 0.9, folder=chosen)]
    cola = study_run("cola", 1, state="failed", folder=None)
    own = replace(recipe_result("own", [], task="mrpc"), task="table")
    write_result(
        study_result(
            recipe_result("mrpc", mrpc, chosen_run=mrpc[1].name),
            recipe_result("cola", [cola], chosen_run=None),
            own,
            folder=folder,
        )
    )
    return folder


def test_the_upload_is_made_from_the_chosen_runs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = study.parent / "a.zip"
    assert command_line(["submit", str(study), "--output", str(output), "--fill-missing", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (mrpc,) = (file for file in told["files"] if file["task"] == "mrpc")
    assert mrpc["run"] == str(study / "runs" / "mrpc-seed2-0badcafe" / "mrpc-run")
    assert "CoLA.tsv" in told["filled"]
    assert told["notes"][:2] == [
        "own left out: no benchmark takes table",
        "cola left out: it has no chosen run yet",
    ]
    assert output.is_file()


def test_runs_may_stand_beside_a_study(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(study.parent, "cola")
    output = str(study.parent / "a.zip")
    assert command_line(["submit", str(study), str(run), "--output", output, "--fill-missing", "--json"]) == 0
    assert {"MRPC.tsv", "CoLA.tsv"}.isdisjoint(json.loads(capsys.readouterr().out)["filled"])


def test_a_study_that_is_not_done(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["submit", str(study), "--output", str(study.parent / "a.zip")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{study}: no run is chosen for cola\n")
    assert "received: 1 of 2 recipes with a chosen run" in told
    assert "--fill-missing" in told
    found = read_result(study)
    write_result(replace(found, recipes=[recipe for recipe in found.recipes if recipe.task == "table"]))
    assert command_line(["submit", str(study), "--fill-missing"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{study}: no benchmark takes the tasks of this study\n") and "received: table" in told
    assert "--fill-missing" not in told
