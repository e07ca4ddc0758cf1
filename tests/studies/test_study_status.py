"""How a study stands from another shell: running, stopped by a kill, or done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.runs.lease import Lease
from glueft.studies.display.status import study_status
from glueft.studies.execution.folder import StudyFolder
from glueft.studies.result import StudyResult, StudyRun
from glueft.studies.result_file import write_result
from glueft.system.process_identity import process_identity
from report_runs import change_record, make_table_run
from study_results import recipe_result, study_result, study_run

RATE = "schedule.initial_learning_rate"
DEAD = process_identity() | {"pid": 2**22 + 1}
Captured = pytest.CaptureFixture[str]


def planned(seed: int, **changes: Any) -> StudyRun:
    nothing: dict[str, Any] = dict.fromkeys(("folder", "step", "steps", "seconds"))
    made = {"state": "waiting", "attempts": 0, "setting": {RATE: 2e-5}, "name": f"mrpc-seed{seed}-00000000"}
    return study_run("mrpc", seed, **nothing | made | changes)


def write(folder: Path, runs: list[StudyRun], **changes: Any) -> StudyResult:
    chosen = {"settings": [{RATE: 2e-5}], "chosen": {RATE: 2e-5}, "metrics": ("accuracy",)}
    made: dict[str, Any] = {"folder": folder, "finished": None, "study": {"study": {"retries": 0}}}
    result = study_result(recipe_result("mrpc", runs, **chosen), **made | changes)
    write_result(result)
    return result


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    """A run folder that is moved to where it is wanted."""
    return make_table_run(tmp_path, [("a", "b", "yes"), ("c", "d", "no")], ("no", "yes"), [1, 0])


def put(attempt: Path, folder: Path, run: StudyRun, **record: Any) -> Path:
    """Put a copy of a run folder where an attempt of a run lies, 4 steps of 8 done."""
    place = folder / "runs" / run.name / "mrpc-20260131-120000-a1b2c3"
    shutil.copytree(attempt, place)
    change_record(place, num_train_steps=8, **record)
    return place


@pytest.fixture
def folder(attempt: Path, tmp_path: Path) -> Iterator[Path]:
    """A study with runs of all kinds. Of two study.json says that they run, while their driver is dead."""
    folder = tmp_path / "glue"
    runs = [
        planned(1, state="done", score=0.9, seconds=40.0),
        planned(2, state="running"),
        planned(3, state="running"),
        planned(4, state="running"),
        planned(5, state="failed", error="DataError: [red]x[/red] \x1b[31mcannot be read\nmore"),
        planned(6),
        planned(7),
    ]
    put(attempt, folder, runs[1], status="running", metrics={}, epochs=[], process=process_identity())
    put(attempt, folder, runs[2], status="running", metrics={}, epochs=[], process=DEAD)
    put(attempt, folder, runs[3])
    (folder / "runs" / runs[5].name).mkdir()
    write(folder, runs)
    claim = Lease.take(folder / "runs" / runs[5].name)
    yield folder
    claim.release()


def test_what_has_become_of_the_runs_is_in_their_folders(folder: Path) -> None:
    status = study_status(folder)
    assert status.state == "running"
    states = [run.state for run in status.result.runs]
    assert states == ["done", "running", "waiting", "done", "failed", "running", "waiting"]
    assert [run.score for run in status.result.runs if run.state == "done"] == [0.9, 1.0]
    assert status.result.runs[2].step == 4
    second, sixth = status.now["mrpc-seed2-00000000"], status.now["mrpc-seed6-00000000"]
    assert (second.step, second.steps, second.seconds_left) == (4, 8, 1.75)  # the fourth took 3.5 s
    assert (sixth.step, sixth.steps, sixth.seconds_left) == (0, None, None)
    assert status.seconds_left is not None and status.seconds_left > 10


def test_the_table_and_json(folder: Path, capsys: Captured) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "heartbeat"}
    assert command_line(["study", "status", str(folder)]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].startswith("glue: running; 7 runs: 2 done, 2 running, 1 failed, 2 waiting; about ")
    assert lines[2].split() == ["mrpc", "2/7", "2", "1", "2", "0.9500", "initial_learning_rate=2e-05"]
    assert lines[1].split()[:6] == ["recipe", "done", "running", "failed", "pruned", "waiting"]
    rows = {line.split()[0]: line for line in lines[5:]}
    assert "━ 4/8" in rows["mrpc-seed2-00000000"] and " left" in rows["mrpc-seed2-00000000"]
    assert "stopped at step 4/8" in rows["mrpc-seed3-00000000"] and "1.0000" in rows["mrpc-seed4-00000000"]
    assert "starting" in rows["mrpc-seed6-00000000"] and "waiting" in rows["mrpc-seed7-00000000"]
    assert lines[-1] == "mrpc-seed5-00000000 failed: DataError: [red]x[/red] \\x1b[31mcannot be read"
    assert command_line(["study", "status", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["study"], told["state"], told["folder"]) == ("glue", "running", str(folder))
    assert told["goes_on_with"] is None
    assert told["counts"] == {"done": 2, "running": 2, "waiting": 2, "failed": 1}
    second = told["runs"][1]
    assert (second["step"], second["steps"], second["state"]) == (4, 8, "running") and second["seconds_left"] == 1.75
    assert told["runs"][0]["setting"] == {RATE: 2e-5} and told["recipes"][0]["chosen"] == {RATE: 2e-5}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "heartbeat"} == before


def test_a_study_that_stopped_says_how_it_goes_on(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "my glue"
    folder.mkdir()
    write(folder, [planned(1, state="done", score=0.9), planned(2, state="running"), planned(3)])
    assert command_line(["study", "status", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "glue: stopped; 3 runs: 1 done, 2 waiting"
    command = f"glueft study '{folder}/study.toml' --output-dir {tmp_path}"
    assert lines[-1] == f"it goes on with: {command}"
    status = study_status(folder)
    assert (status.state, status.seconds_left, status.as_dict()["goes_on_with"]) == ("stopped", None, command)


def test_a_study_that_is_done(tmp_path: Path, capsys: Captured) -> None:
    write(tmp_path, [planned(1, state="done", score=0.9), planned(2, state="pruned")], finished="2026-01-31")
    assert command_line(["study", "status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "glue: done; 2 runs: 1 done, 1 pruned"
    # The driver has died before it could write that its last run is over, or which runs come next.
    write(tmp_path, [planned(1, state="done", score=0.9)])
    assert study_status(tmp_path).state == "stopped"


def test_of_many_runs_those_are_listed_that_run_or_failed(tmp_path: Path, capsys: Captured) -> None:
    runs = [planned(seed) for seed in range(1000)]
    write(tmp_path, [replace(runs[0], state="failed", error="why"), *runs[1:]])
    assert command_line(["study", "status", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 10
    assert command_line(["study", "status", str(tmp_path), "--all"]) == 0
    assert capsys.readouterr().out.count("waiting") > 999


def test_a_run_begins_with_the_chosen_run_of_another_recipe(attempt: Path, tmp_path: Path) -> None:
    folder = tmp_path / "glue"
    parent = planned(1, state="done", score=0.9, name="mnli-seed1-00000000")
    place = put(attempt, folder, parent, model={"sha256": {"model.safetensors": "a"}})
    runs = [planned(seed, state="running") for seed in (2, 3)]
    for run, digest in zip(runs, ("a", "b"), strict=True):
        put(attempt, folder, run, checkpoint={"name": "run:x", "sha256": {"model.safetensors": digest}, "head": "new"})
    mnli = replace(recipe_result("mrpc", [replace(parent, folder=place)]), name="mnli")
    rte = replace(recipe_result("mrpc", runs), name="rte", starts_from="mnli")
    write_result(study_result(mnli, rte, folder=folder, finished=None))
    assert [run.state for run in study_status(folder).result.runs] == ["done", "done", "waiting"]
    shutil.rmtree(place)
    assert study_status(folder).state == "stopped"


def test_the_report_has_runs_that_ended_after_their_driver(folder: Path, capsys: Captured) -> None:
    assert command_line(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "7 runs: 2 done, 2 running, 1 failed, 2 waiting" in page and "report written" in capsys.readouterr().out


def test_what_is_no_study_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert command_line(["study", "status", str(tmp_path)]) == 2
    assert "is not the folder of a study" in capsys.readouterr().err
    (StudyFolder(tmp_path).path / "study.json").write_text("{")
    assert command_line(["study", "status", str(tmp_path), "--json"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_in_the_folder_of_studies_one_of_them_is_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "glue").mkdir()
    write(tmp_path / "glue", [planned(1)])
    assert command_line(["study", "status", str(tmp_path)]) == 2
    assert f"such as {tmp_path / 'glue'}\n" in capsys.readouterr().err
    assert command_line(["list-runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path}; of a study: glueft list-runs {tmp_path / 'glue'}\n"
