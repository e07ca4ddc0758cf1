"""Every optimizer lowers the loss of a tiny real encoder, on every backend alike, and in a whole run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optimizer_checks
from glueft.cli.main import command_line
from optimizer_checks import NAMES, OPTIONS, built, classifier, moved
from tiny_checkpoint import make_tiny_bert

# Rates at which a tiny encoder learns 32 rows in 32 steps.
RATES = {
    "adafactor": 2e-2,
    "adam": 2e-3,
    "adamw": 2e-3,
    "lamb": 2e-2,
    "lion": 1e-3,
    "muon": 2e-3,
    "nadam": 2e-3,
    "rmsprop": 1e-3,
    "sgd": 0.1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("optimizers") / "bert", layers=1, hidden=16, dropout=0.0)


def compare(folder: Path, backend: str, names: list[str]) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    result = folder.parent / f"{backend}.npz"
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, optimizer_checks.__file__, folder, result, *names]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    arrays = dict(np.load(result))
    assert arrays.pop("backend") == backend
    variables = classifier(folder).trainable_variables
    for name in names:
        for path, value in moved(built(name, 0.01, **OPTIONS), variables).items():
            np.testing.assert_allclose(arrays.pop(f"{name}:{path}"), value, atol=2e-6, err_msg=f"{name} {path}")
    assert not arrays


def test_steps_are_the_same_on_jax(folder: Path) -> None:
    """Clipped, decayed and with layer-wise rates; the ones whose code is not Keras's alone."""
    compare(folder, "jax", ["adamw", "muon", "sgd"])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_steps_of_all_are_the_same_on_the_other_backends(folder: Path, backend: str) -> None:
    compare(folder, backend, NAMES)


def run(name: str, schedule: str, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        [task]
        plugin = "mrpc"
        [model]
        checkpoint = "{tiny_bert}"
        [data]
        source = "sample"
        limit_train = 32
        [optimizer]
        plugin = "{name}"
        weight_decay = 0.01
        layerwise_decay = 0.9
        global_clipnorm = 1.0
        [schedule]
        {schedule}
        initial_learning_rate = {RATES[name]}
        [training]
        epochs = 8
        """
    )
    status = command_line(["run", str(recipe), "--output-dir", str(tmp_path / "runs"), "--json"])
    told = capsys.readouterr()
    assert status == 0, told.err
    record = json.loads(told.out)
    history = Path(record["run_dir"], "history.jsonl").read_text(encoding="utf-8").splitlines()
    return record, [entry for entry in map(json.loads, history) if entry["kind"] == "step"]


def test_a_whole_run(tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = 'plugin = "cosine"\nrestarts = 1\nwarmup_ratio = 0.25'
    record, steps = run("muon", schedule, tiny_bert, tmp_path, capsys)
    assert record["status"] == "done" and len(steps) == 32
    rates = [entry["learning_rate"] / RATES["muon"] for entry in steps]
    assert rates[:9] == pytest.approx([step / 8 for step in range(9)])
    assert rates[19] < 0.1 and rates[20] == pytest.approx(1.0)  # 24 steps after the warm-up, 12 a cycle


@pytest.mark.slow  # a trained model for each optimizer
@pytest.mark.parametrize("name", NAMES)
def test_a_whole_run_of_each(name: str, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, steps = run(name, 'plugin = "inverse_sqrt"\nwarmup_steps = 2', tiny_bert, tmp_path, capsys)
    assert record["plugins"]["optimizer"] == name and len(steps) == 32
    assert record["epochs"][-1]["loss"] < 0.9 * record["epochs"][0]["loss"]
