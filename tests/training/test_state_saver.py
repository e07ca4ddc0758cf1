"""A state that cannot be saved stops no run, is told once, and costs none of the states that there are."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from glueft.recipe import load_recipe
from glueft.runs.checkpoints import checkpoint_folder, saved_steps
from glueft.runs.clock import Clock
from glueft.runs.run import Run
from glueft.training import state_saver
from glueft.training.state_files import PackedState, read_state
from glueft.training.state_saver import StateSaver

resource = pytest.importorskip("resource", reason="Windows has no such limits")

STATE = PackedState.of({"step": 0, "weights": np.ones(1000, np.float32)})


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def saver(tmp_path: Path, told: list[str]) -> StateSaver:
    run = Run.of(load_recipe("mrpc", sample=True), tmp_path, told.append)
    (tmp_path / "history.jsonl").write_text("")
    saver = StateSaver(run, Clock(0.0))
    saver.needed_at_the_end = 1000
    return saver


def test_states_that_are_in_the_way_make_room_for_the_next(
    saver: StateSaver, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2, 3):
        saver._write(step, STATE, best=1)
    assert saved_steps(tmp_path) == [1, 2, 3]  # the last two and the best
    # A disk with room for three of these states.
    monkeypatch.setattr(state_saver, "free_bytes", lambda folder: 3 * 4500 - 4500 * len(saved_steps(tmp_path)))
    saver._write(4, STATE, best=1)
    assert saved_steps(tmp_path) == [3, 4] and told == []


def test_the_newest_state_stays_where_there_is_no_room(
    saver: StateSaver, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        saver._write(step, STATE, best=None)
    monkeypatch.setattr(state_saver, "free_bytes", lambda folder: 4999)
    for step in (3, 4):
        saver._write(step, STATE, best=None)
    assert saved_steps(tmp_path) == [2] and read_state(checkpoint_folder(tmp_path, 2))["step"] == 0
    (line,) = told
    assert line.startswith("warning: the state after step 3 was not saved, and the run goes on: ")
    assert "No space left on device (5 KiB needed, " in line
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-2"]


def test_a_later_state_is_not_counted(saver: StateSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It was damaged: the run was resumed from an earlier one.
    for step in (9, 1, 2):
        saver._write(step, STATE, best=None)
    assert saved_steps(tmp_path) == [1, 2]
    (tmp_path / "checkpoints" / "step-9").mkdir()
    monkeypatch.setattr(state_saver, "free_bytes", lambda folder: 4999)
    saver._write(3, STATE, best=None)
    assert saved_steps(tmp_path) == [2]


def test_only_the_state_of_an_epoch_waits_for_the_one_before(saver: StateSaver) -> None:
    written = threading.Event()
    saver.keeps_all_along, saver.interval, saver.begun, saver.last = True, 1e-9, 0.0, 0.0
    saver.writer = threading.Thread(target=written.wait)
    saver.writer.start()
    assert saver._is_due(epoch_ended=True) and not saver._is_due(epoch_ended=False)
    written.set()


def test_each_reason_is_told_once(saver: StateSaver, told: list[str], tmp_path: Path) -> None:
    saver._write(1, STATE, best=None)
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, most))
    try:
        for step in (2, 3):
            saver._write(step, STATE, best=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    assert len(told) == 1 and "File too large" in told[0]
    (tmp_path / "checkpoints").rename(tmp_path / "elsewhere")
    (tmp_path / "checkpoints").write_text("no folder")
    saver._write(4, STATE, best=None)
    assert len(told) == 2 and "the state after step 4 was not saved" in told[1]
    assert saved_steps(tmp_path) == []
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["step-1"]
