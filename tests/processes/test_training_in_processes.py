"""Runs in two processes on JAX's CPU devices: the numbers are those of one, and whatever ends one ends both.

They share nothing but the machine: only process 0 writes the run folder.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.runs.checkpoints import saved_steps
from glueft.runs.run import Run
from ports import keep_port
from slurm_cluster import slurm_cluster
from tiny_checkpoint import make_tiny_bert

pytestmark = pytest.mark.slow

SECONDS = 400.0
GLUEFT = str(Path(sys.executable).with_name("glueft"))
ENVIRONMENT = {
    **{name: text for name, text in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")},
    "JAX_PLATFORMS": "cpu",
}


@dataclass
class Ended:
    """What became of the processes: the exit code, the output and the seconds until its end, of each."""

    codes: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def together(
    *arguments: str,
    own: tuple[tuple[str, ...], ...] = ((), ()),
    meanwhile: Callable[[list[subprocess.Popen[str]]], None] | None = None,
) -> Ended:
    """Run a command in two processes, each with arguments of its own."""
    options = ["--coordinator", f"127.0.0.1:{keep_port()}", "--processes", "2"]
    both = [
        subprocess.Popen(
            [GLUEFT, *arguments, *options, "--process", str(process), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        for process, more in enumerate(own)
    ]
    try:
        if meanwhile is not None:
            meanwhile(both)
        begin, ended = time.monotonic(), Ended()
        for process in both:
            ended.texts.append(process.communicate(timeout=SECONDS)[0])
            ended.codes.append(process.returncode)
            ended.seconds.append(time.monotonic() - begin)
        return ended
    finally:
        for process in both:
            process.kill()


def alone(*arguments: str) -> str:
    done = subprocess.run(
        [GLUEFT, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    checkpoint = make_tiny_bert(tmp_path_factory.mktemp("checkpoint"))
    keys = {
        "training.epochs": 10,
        "training.batch_size": 7,  # to be filled up on two devices
        "training.checkpoint_minutes": 0.0005,
        "data.limit_train": 60,
        "data.limit_validation": 50,
        "data.max_length": 24,
    }
    settings = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
    return ["run", "mrpc", "--sample", "--backend", "jax", "--checkpoint", str(checkpoint), *settings]


@pytest.fixture(scope="module")
def one(recipe: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process."""
    return run_in(recipe, tmp_path_factory.mktemp("one"))


def run_in(recipe: list[str], place: Path) -> Path:
    alone(*recipe, "--output-dir", str(place))
    return only_run(place)


def only_run(place: Path) -> Path:
    (folder,) = place.iterdir()
    return folder


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [float(line[key]) for line in lines for key in ("loss", "validation_loss") if key in line]


def assert_same(folder: Path, other: Path) -> None:
    run, reference = Run.open(folder), Run.open(other)
    np.testing.assert_allclose(losses(folder), losses(other), rtol=0, atol=1e-5)
    assert run.record.metrics == pytest.approx(reference.record.metrics)
    here, there = run.predictions("validation"), reference.predictions("validation")
    np.testing.assert_allclose(here.probabilities, there.probabilities, atol=1e-5)
    for name in ("num_train_steps", "parameters", "trainable_parameters"):
        assert run.record[name] == reference.record[name]
    assert files(folder) == files(other)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def once_saved(place: Path, act: Callable[[list[subprocess.Popen[str]]], None]) -> Any:
    """Do something as soon as another state has been saved."""

    def last() -> int:
        return max((step for folder in place.iterdir() for step in saved_steps(folder)), default=-1)

    before = last()

    def wait(both: list[subprocess.Popen[str]]) -> None:
        until = time.monotonic() + SECONDS
        while last() <= before:
            assert time.monotonic() < until
            assert both[0].poll() is None, both[0].communicate()[0]
            time.sleep(0.02)
        act(both)

    return wait


def test_two_processes_give_what_one_gives(recipe: list[str], one: Path, tmp_path: Path) -> None:
    ended = together(*recipe, "--output-dir", str(tmp_path))
    assert ended.codes == [0, 0], ended.texts
    assert ended.texts[1] == ""
    folder = only_run(tmp_path)
    assert_same(folder, one)
    record = Run.open(folder).record
    assert record.engine.devices is not None
    assert (record.engine.devices.count, record.engine.devices.processes) == (2, 2)
    assert record.hosts is not None and len(record.hosts) == 2
    assert "hosts" not in Run.open(one).record


def assert_ended_by_the_kill_of(killed: int, ended: Ended) -> None:
    assert ended.codes[killed] == -signal.SIGKILL
    assert ended.codes[1 - killed] == 2, ended.texts
    assert max(ended.seconds) < 60
    text = ended.texts[1 - killed]
    assert f"process {killed} of 2" in text and "is gone" in text and "glueft resume" in text, text
    assert "Traceback" not in text and "Check failure" not in text and "coordination" not in text, text


def test_whatever_ends_one_ends_both_and_the_run_goes_on_to_the_same_end(
    recipe: list[str], one: Path, tmp_path: Path
) -> None:
    ended = together(
        *recipe, "--output-dir", str(tmp_path), meanwhile=once_saved(tmp_path, lambda both: both[1].kill())
    )
    assert_ended_by_the_kill_of(1, ended)
    folder = only_run(tmp_path)
    assert Run.open(folder, finished=False).record.status == "failed"

    ended = together("resume", str(folder), meanwhile=once_saved(tmp_path, lambda both: both[0].kill()))
    assert_ended_by_the_kill_of(0, ended)
    assert Run.open(folder, finished=False).has_died()

    ended = together("resume", str(folder), meanwhile=once_saved(tmp_path, lambda both: both[1].terminate()))
    assert ended.codes == [143, 143], ended.texts
    assert "interrupted: saving the state after step" in ended.texts[0]
    assert Run.open(folder, finished=False).record.status == "interrupted"

    assert "equal but for rounding" in alone("resume", str(folder))
    record = Run.open(folder).record
    assert record.resume is not None and not record.resume.exact
    assert "processes: 2 in the run, 1 now" in record.resume.reasons[-1]
    assert_same(folder, one)


def test_another_recipe_in_one_is_refused_in_both(recipe: list[str], tmp_path: Path) -> None:
    ended = together(*recipe, "--output-dir", str(tmp_path), own=((), ("--set", "training.seed=7")))
    assert ended.codes == [2, 2]
    for text in ended.texts:
        assert "the processes are about to do different things" in text
        assert "training.seed: 42 in process 0, 7 in process 1" in text
    assert [*tmp_path.iterdir()] == []


def test_by_srun(recipe: list[str], tmp_path: Path) -> None:
    """They find each other; the start of JAX, which is dear, is the same as above."""
    own = shlex.join([GLUEFT, *recipe, "--output-dir", str(tmp_path / "runs")]) + " --set training.seed=$SLURM_PROCID"
    with slurm_cluster(tmp_path / "cluster") as configuration:
        done = subprocess.run(
            ["srun", "--ntasks=2", "--overcommit", "sh", "-c", own],
            capture_output=True,
            text=True,
            env=ENVIRONMENT | {"SLURM_CONF": configuration},
            timeout=SECONDS,
            check=False,
        )
    assert "process 0 of 2, by SLURM" in done.stdout, done.stdout + done.stderr
    assert done.stderr.count("training.seed: 0 in process 0, 1 in process 1") == 2, done.stderr
