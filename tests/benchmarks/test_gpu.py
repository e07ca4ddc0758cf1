"""The script for a GPU extends, leaves out and writes what it says; at tiny size it runs on a CPU."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import gpu
import pytest

SAMPLES = Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples"


def bench(tmp_path: Path, *arguments: str) -> gpu.Bench:
    options: argparse.Namespace = gpu.parse(["--data-dir", ".", "--output", str(tmp_path / "gpu.json"), *arguments])
    made = gpu.Bench(options, tmp_path, None)
    made.deadline = time.perf_counter() + options.seconds
    return made


def test_what_was_not_run_takes_the_pace_of_the_last_epoch() -> None:
    asked = gpu.Setting("mrpc", 8, epochs=3, rows=100, run_epochs=2, run_rows=50)
    whole = asked.whole(train=30.0, process=42.0, each_epoch=[20.0, 5.0])
    assert whole == {"epochs": 3, "rows": 100, "train": 50.0, "process": 62.0, "rows_per_second": 10.0}
    all_run = gpu.Setting("mrpc", 8, epochs=2, rows=50, run_epochs=2, run_rows=50)
    assert all_run.whole(30.0, 42.0, [20.0, 5.0])["process"] == 42.0


def test_a_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit, match="--tiny rehearses"):
        gpu.main(["--data-dir", "."])


def test_what_fails_and_what_is_too_late_is_left_out_with_the_reason(tmp_path: Path, tiny_bert: Path) -> None:
    made = bench(tmp_path, "--checkpoint", str(tiny_bert), "--seconds", "2", "--only", "device", "cold")
    made.sizes = gpu.TINY  # Not `--tiny`: parts of unknown length do not begin.
    made.run()
    assert set(made.result["left_out"]) == {"device", "cold"} and "of 2" in made.result["left_out"]["cold"]
    assert json.loads((tmp_path / "gpu.json").read_text()) == made.result
    with pytest.raises(gpu.LeftOutError, match=r"exit code 1: .*broken"):
        made.call([gpu.sys.executable, "-c", "raise SystemExit('broken')"], {}, "")
    made.deadline = time.perf_counter() + 0.2
    with pytest.raises(gpu.LeftOutError, match="cut off"):
        made.call(["sleep", "60"], {}, "")
    made.peer = None
    with pytest.raises(gpu.LeftOutError, match="lacks one of torch"):
        made.needs_peer()


@pytest.mark.slow
def test_the_rehearsal_measures_every_part(tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(SAMPLES / "MRPC", tmp_path / "glue" / "MRPC")
    output = tmp_path / "gpu.json"
    arguments = ["--data-dir", str(tmp_path / "glue"), "--checkpoint", str(tiny_bert), "--output", str(output)]
    gpu.main([*arguments, "--tiny", "--only", "cold", "mrpc-8", "attention"])
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads(output.read_text())
    runs = {run["program"]: run for run in result["runs"]}
    cold, warm = runs["glueft, nothing compiled"], runs["glueft"]
    assert warm["measured"]["compile"] < cold["measured"]["compile"]
    assert cold["train"] < cold["process"] and warm["tflops"] > 0 and warm["metrics"] == cold["metrics"]
    assert {entry["variant"] for entry in result["attention"]} == {"glueft", "keras", "jax_xla"}
    assert all(entry["error_at_most"] < 1e-5 for entry in result["attention"])
    # Without the Trainer's packages each of its runs is left out, and glueft's are measured all the same.
    assert set(result["left_out"]) in (set(), {"mrpc-8 trainer", "mrpc-8 trainer+compile"})
