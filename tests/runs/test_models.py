"""A run whose model was removed to save room: what goes on without it, and what the rest says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.comparison.compare import compare_runs
from glueft.errors import RunFolderError
from glueft.inference.evaluate import evaluate_run
from glueft.inference.predictor import load_saved_model
from glueft.push.content import source_of
from glueft.recipe.sections import Model
from glueft.report.write import write_report
from glueft.runs.models import refuse_without_model, remove_model
from glueft.runs.parent import find_start
from glueft.runs.run import Run
from run_folders import change_record, make_run


@pytest.fixture(scope="module")
def bare(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare") / finished_run.name
    shutil.copytree(finished_run, folder)
    remove_model(folder)
    return folder


def test_the_model_goes_and_nothing_else(bare: Path, finished_run: Path) -> None:
    kept = {path.name for path in bare.iterdir()}
    assert kept == {path.name for path in finished_run.iterdir()} - {"model"}
    before, after = (Run.open(folder).record for folder in (finished_run, bare))
    assert after.model.removed and after.model.sha256 == before.model.sha256
    assert after["metrics"] == before["metrics"]
    remove_model(bare)
    assert Run.open(bare).record.model.removed == after.model.removed


def test_what_needs_the_model_says_when_it_went_and_how_to_have_it_again(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for needs in (
        lambda: evaluate_run(Run.open(bare)),
        lambda: load_saved_model(bare),
        lambda: source_of(Run.open(bare)),
        lambda: find_start(Model(checkpoint=f"run:{bare}")),
    ):
        with pytest.raises(RunFolderError, match="the model was removed to save room") as caught:
            needs()
        assert caught.value.received.startswith("no model since 2") and "glueft run " in caught.value.fix
    export = ["export", str(bare), str(tmp_path / "exported"), "--format", "transformers"]
    for command in (["predict", str(bare), "a", "b"], export, ["evaluate", str(bare)]):
        assert command_line(command) == 2
        assert "the model was removed to save room" in capsys.readouterr().err


def test_tables_reports_and_comparisons_go_on(
    bare: Path, finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_runs([finished_run, bare])["runs"]
    assert Run.open(bare).labels == Run.open(finished_run).labels
    assert write_report(bare, tmp_path / "report.html").notes == []
    assert command_line(["list-runs", str(bare.parent)]) == 0
    assert "mrpc" in capsys.readouterr().out
    # Without predictions the task tells the labels.
    shutil.copytree(bare, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "predictions")
    assert Run.open(tmp_path / "run").labels == Run.open(finished_run).labels


def test_a_model_that_is_missing_is_not_said_to_be_removed(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    refuse_without_model(Run.open(folder))
    shutil.rmtree(folder / "model")
    with pytest.raises(RunFolderError, match="the model is missing"):
        refuse_without_model(Run.open(folder))


def test_the_model_of_a_run_that_is_not_done_stays(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    change_record(folder, status="failed", error="the disk was full")
    with pytest.raises(RunFolderError, match="the run is not done"):
        remove_model(folder)
    assert (folder / "model").is_dir()
