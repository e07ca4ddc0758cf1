"""Whole commands where TensorFlow is not installed, on JAX."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glueft.runs.run import Run

WORKER = Path(__file__).parents[1] / "without_tensorflow.py"
SMALL = (
    "--sample",
    *("--set", "training.epochs=1"),
    *("--set", "data.limit_train=8"),
    *("--set", "data.limit_validation=8"),
    *("--set", "data.max_length=16"),
)


def run_commands(*commands: list[str]) -> list[tuple[int, str, str]]:
    """Run commands in one process without TensorFlow; return the exit code, the output and the errors of each."""
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    done = subprocess.run(
        [sys.executable, str(WORKER), json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(code, output, errors) for code, output, errors in json.loads(done.stdout)]


def test_what_needs_no_keras_and_what_needs_tensorflow(tiny_bert: Path, finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    checkpoint = ["--checkpoint", str(tiny_bert)]
    plan, named, report, exported, callback = run_commands(
        ["plan", "mrpc", *SMALL, *checkpoint, "--no-probe"],
        ["plan", "mrpc", *SMALL, *checkpoint, "--no-probe", "--backend", "tensorflow"],
        ["report", str(folder)],
        ["export", str(folder), str(tmp_path / "out"), "--format", "saved_model"],
        ["validate", "mrpc", "--set", 'callbacks=[{plugin="tensorboard"}]'],
    )
    assert plan[0] == 0 and "jax: no NVIDIA GPU is visible, and TensorFlow is not installed" in " ".join(
        plan[1].split()
    )
    assert named[0] == 2 and 'Keras cannot use the backend "tensorflow" here' in named[2]
    assert "expected: an installed backend: jax" in named[2] and "pip install tensorflow" in named[2]
    assert report[0] == 0 and (folder / "report.html").exists()
    assert exported[0] == 2 and "the format saved_model needs the package tensorflow" in exported[2]
    assert callback[0] == 2 and 'callback "tensorboard" needs the package tensorflow' in callback[2]


@pytest.mark.slow
def test_a_run_and_all_that_is_done_with_it(tiny_bert: Path, finished_run: Path, tmp_path: Path) -> None:
    """Slow: JAX compiles. The run of before was computed with TensorFlow: its model is used on JAX."""
    (done,) = run_commands(["run", "mrpc", *SMALL, "--checkpoint", str(tiny_bert), "--output-dir", str(tmp_path)])
    assert done[0] == 0, done[2]
    (folder,) = tmp_path.iterdir()
    engine = Run.open(folder).record.engine
    assert (engine.backend, engine.precision, engine.precision_reason) == ("jax", "float32", "the recipe says so")
    assert "tensorflow" not in Run.open(folder).record.versions
    evaluated, predicted, of_before, *exports, reproduced, resumed = run_commands(
        ["evaluate", str(folder)],
        ["predict", str(folder), "a man", "a dog"],
        ["predict", str(finished_run), "a man", "a dog"],
        ["export", str(folder), str(tmp_path / "keras"), "--format", "keras"],
        ["export", str(folder), str(tmp_path / "transformers")],
        ["reproduce", str(folder)],
        ["resume", str(folder)],
    )
    assert evaluated[0] == 0 and "equal to the run's own numbers" in " ".join(evaluated[1].split())
    assert predicted[0] == of_before[0] == 0 and "not_equivalent" in predicted[1]
    assert [export[0] for export in exports] == [0, 0], exports
    assert reproduced[0] == 0, reproduced
    assert resumed[0] == 0 and "the run is done" in resumed[1]
