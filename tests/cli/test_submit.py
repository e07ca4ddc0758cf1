"""`glueft submit`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft_tasks.qqp import QQP
from submission_runs import make_run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def small_qqp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QQP, "sizes", QQP.sizes | {"test": 100})


def test_it_prints_what_is_in_the_upload(tmp_path: Path, capsys: Captured) -> None:
    runs = [str(make_run(tmp_path, name)) for name in ("mrpc", "stsb")]
    path = tmp_path / "submission.zip"
    assert command_line(["submit", *runs, "--output", str(path), "--fill-missing"]) == 0
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert told.err == "" and lines[:2] == [["upload", "to", "GLUE"], ["file", "rows", "run", "predicted"]]
    assert ["MRPC.tsv", "1,725", "mrpc-run", "0:", "863,", "1:", "862"] in lines
    assert ["STS-B.tsv", "1,379", "stsb-run", "0", "to", "5", "(230", "moved", "into", "the", "range)"] in lines
    assert ["WNLI.tsv", "146", "none:", "filled", "0:", "146,", "1:", "0"] in lines
    assert "note: filled with the commonest label, for want of a run: AX.tsv (ax), CoLA.tsv (cola), " in told.out
    assert told.out.endswith(f"{path}: 11 files, {path.stat().st_size:,} bytes; read back and checked\n")


def test_json_is_one_object(tmp_path: Path, capsys: Captured) -> None:
    run, path = make_run(tmp_path, "wnli"), tmp_path / "a.zip"
    assert command_line(["submit", str(run), "--output", str(path), "--fill-missing", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["output"] == str(path) and len(result["files"]) == 11 and len(result["filled"]) == 10
    (wnli,) = (file for file in result["files"] if file["file"] == "WNLI.tsv")
    assert wnli == {
        "file": "WNLI.tsv",
        "task": "wnli",
        "split": "test",
        "rows": 146,
        "run": str(run),
        "predicted_now": False,
        "filled_with": None,
        "predicted": {"0": 73, "1": 73},
    }


def test_an_error_is_told_without_a_traceback(tmp_path: Path, capsys: Captured) -> None:
    run = make_run(tmp_path, "wnli")
    assert command_line(["submit", str(run), "--output", str(tmp_path / "a.zip")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("the upload to GLUE is not complete: 10 files have no run\n")
    assert command_line(["submit", str(tmp_path / "none"), "--fill-missing"]) == 2
    assert "this is not a run folder" in capsys.readouterr().err
    assert command_line(["submit"]) == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom glueft.cli.main import command_line\nassert command_line(['submit', '--help']) == 0\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'evaluate', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "glueft submit runs/*" in done.stdout
