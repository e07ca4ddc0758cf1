"""A run that is killed, and resumed until it is done, ends with the files of a run that was left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disturbed_process import Moment, run_process
from kill_rounds import EXIT_CODES
from run_differences import run_differences

import glueft
from glueft.runs.checkpoints import saved_steps
from glueft.training.observers import RunProgress

SCRIPT = Path(__file__).with_name("kill_rounds.py")
# Within the first 30 of the 48 steps, while states are written.
FILES = 35


class CtrlC(RunProgress):
    """Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.at = step
        self.steps: list[int] = []

    def step(self, report: Any) -> None:
        self.steps.append(report.step)
        if report.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_run_that_is_killed_and_interrupted_ends_as_a_whole_one(
    finished_run: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    arguments = ["run", "mrpc", "--sample", "--checkpoint", str(tiny_bert), "--output-dir", str(tmp_path / "runs")]
    arguments += ["--set", "training.epochs=1", "--set", "training.checkpoint_minutes=1e-9"]
    moment = Moment("file", FILES, (signal.SIGKILL,))
    ended = run_process(arguments, tmp_path / "runs", tmp_path / "log.txt", moment)
    assert ended.code == EXIT_CODES["KILL"], (tmp_path / "log.txt").read_text()
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    killed_after = max(saved_steps(folder), default=0)

    ctrl_c = CtrlC(40)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of pytest-xdist ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            glueft.resume(folder, progress=ctrl_c)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ctrl_c.steps == [*range(killed_after + 1, 41)] and saved_steps(folder)[-1] == 40
    result = glueft.resume(folder)
    assert result is not None and [part["status"] for part in result.record["parts"]] == ["died", "interrupted", "done"]
    assert run_differences(finished_run, folder) == []


def test_whatever_differs_in_two_run_folders_is_found(finished_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"

    def changed(name: str, change: Callable[[Path], object]) -> list[str]:
        shutil.copytree(finished_run, other)
        change(other / name)
        differences = run_differences(finished_run, other)
        shutil.rmtree(other)
        return differences

    def replaced(name: str, old: str, new: str) -> list[str]:
        def replace(path: Path) -> None:
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new, 1))

        return changed(name, replace)

    assert changed("run.json", Path.exists) == []
    assert replaced("run.json", '"run_dir": "', '"run_dir": "/elsewhere') == []
    assert replaced("recipe.toml", "checkpoint_minutes = 15.0", "checkpoint_minutes = 0.5") == []
    assert replaced("recipe.toml", "epochs = 1", "epochs = 2") == ["recipe.toml: /training/epochs: 1, 2"]
    assert replaced("run.json", '"seed": 42', '"seed": 43') == ["run.json: /seed: 42, 43"]
    assert replaced("run.json", '"seed": 42', '"seed": 42, "more": 1') == ["run.json: /more: absent, 1"]
    assert replaced("history.jsonl", '"step": 7', '"step": 8') == ["history.jsonl: /6/step: 7, 8"]
    assert replaced("predictions/validation.tsv", "0.", "1.") == ["predictions/validation.tsv: other bytes"]
    assert changed("model/config.json", Path.unlink) == [f"only in {finished_run}: model/config.json"]
    assert changed(".run.json.glueft-new", Path.touch) == [f"only in {other}: .run.json.glueft-new"]
    assert changed("checkpoints", Path.mkdir) == [f"only in {other}: checkpoints"]


def test_curves_are_compared_by_their_points(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    def curves(name: str, *files: dict[int, float]) -> Path:
        for number, points in enumerate(files):
            writer = EventFileWriter(str(tmp_path / name / "train"), filename_suffix=f".{number}")
            for step, value in points.items():
                summary = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
                writer.add_event(Event(step=step, wall_time=number, summary=summary))
            writer.close()
        return tmp_path / name

    whole = curves("whole", {1: 0.5, 2: 0.25})
    assert run_differences(whole, curves("resumed", {1: 0.5}, {2: 0.25})) == []
    for name, files in {
        "lost": [{1: 0.5}],
        "twice": [{1: 0.5, 2: 0.25}, {2: 0.25}],
        "other": [{1: 0.5, 2: 0.2}],
    }.items():
        (difference,) = run_differences(whole, curves(name, *files))
        assert difference.startswith("curves: ")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_rounds_of_kills_find_no_difference(backend: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--backend", backend, "--folder", str(tmp_path)]
    command += ["--only", "everything", "--kills", "2", "--terms", "1", "--fresh", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " SIGKILL, 1 SIGTERM; 0 differ" in done.stdout
    assert not list(tmp_path.iterdir())
