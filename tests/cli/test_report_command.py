"""`glueft report`, and `glueft run --report`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import glueft
from glueft import launch
from glueft.cli.main import command_line
from report_runs import make_table_run

Captured = pytest.CaptureFixture[str]
ROWS = [("good day", "hello", "yes"), ("bad day", "again", "no")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_table_run(tmp_path, ROWS, ("no", "yes"), [1, 1])


def test_it_says_where_the_report_is(
    run: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(["report", "run"]) == 0
    told = capsys.readouterr()
    size = (run / "report.html").stat().st_size
    assert (told.out, told.err) == (f"report written: run/report.html ({size / 1024:,.0f} KiB)\n", "")
    assert command_line(["report", "run"]) == 2
    assert "run/report.html exists already" in capsys.readouterr().err
    (tmp_path / "rows.csv").unlink()
    assert command_line(["report", "run/model", "--force"]) == 0
    assert capsys.readouterr().err.startswith("note: the rows are shown without their texts: the rows cannot be read")


def test_json_is_one_object(run: Path, tmp_path: Path, capsys: Captured) -> None:
    output = tmp_path / "page.html"
    assert command_line(["report", str(run), "--output", str(output), "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == "" and told.out.count("\n") == 1
    assert json.loads(told.out) == {
        "report": str(output),
        "run": str(run),
        "status": "done",
        "bytes": output.stat().st_size,
        "texts": {"validation": True},
        "notes": [],
    }


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert command_line(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}: this is not a run folder\n")


def test_a_report_needs_neither_keras_nor_a_backend(run: Path) -> None:
    code = (
        "import sys; from glueft.cli.main import command_line\n"
        "drawing = {'matplotlib', 'jinja2', 'numpy', 'datasets'}\n"
        "command_line(['report', '--help']); print('AT HELP', sorted(drawing & set(sys.modules)))\n"
        f"code = command_line(['report', {str(run)!r}])\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "AT HELP []\n" in done.stdout and done.stdout.endswith("HEAVY [] 0\n"), done.stdout + done.stderr


def test_a_run_writes_its_report_and_survives_a_failing_one(
    tiny_bert: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["--set", "training.epochs=1", "--set", "data.limit_train=16", "--set", "data.limit_validation=8"]
    line = ["run", "mrpc", "--sample", "--checkpoint", str(tiny_bert), *few, "--output-dir", str(tmp_path), "--report"]
    assert command_line(line) == 0
    (run,) = tmp_path.iterdir()
    page = (run / "report.html").read_text("utf-8")
    assert "data-texts" in page, "the 8 rows of 153 are recognised by their fingerprint"
    assert f"\nreport: {run / 'report.html'}\n" in capsys.readouterr().out

    def fail(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    done = glueft.load_run(run)
    monkeypatch.setattr(launch, "run_recipe", lambda *_, **__: done)
    said = "warning: the report could not be written, the run is done all the same: "
    assert command_line(line) == 0
    assert f"{said}{run / 'report.html'} exists already\n" in capsys.readouterr().out
    # Of a run that was resumed it is from before.
    monkeypatch.setattr(launch, "resume_run", lambda *_, **__: done)
    assert command_line(["resume", str(run), "--report"]) == 0
    assert capsys.readouterr().out.startswith(f"report: {run / 'report.html'}\n")
    (run / "report.html").unlink()
    monkeypatch.setattr("glueft.report.content.collect", fail)
    assert command_line([*line, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["status"] == "done"
    assert f"{said}ZeroDivisionError: no luck\n" in told.err
