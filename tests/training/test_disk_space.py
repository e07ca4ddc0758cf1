"""A run that has no room for what it leaves behind is refused before it trains."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glueft.encoder.checkpoint_finder import find_checkpoint
from glueft.encoder.tensor_files import read_headers
from glueft.errors import RunFolderError
from glueft.terminal.plan_table import disk
from glueft.training import disk_space
from glueft.training.disk_space import (
    MARGIN_BYTES,
    bytes_of_run,
    bytes_of_state,
    disk_of_plan,
    no_room_for_states,
    refuse_full_disk,
    weight_bytes,
)


def session_of(checkpoint: Path, push: str | None = None, minutes: float = 15) -> Any:
    """What matters here of a session: two rows are predicted."""
    hub, task = SimpleNamespace(push=push, when="epoch"), SimpleNamespace(labels=("no", "yes"))
    return SimpleNamespace(
        recipe=SimpleNamespace(hub=hub, task=task, training=SimpleNamespace(checkpoint_minutes=minutes)),
        checkpoint=find_checkpoint(str(checkpoint), None),
        encoded={"validation": SimpleNamespace(labels=[0, 1])},
        predicted=("validation",),
    )


@pytest.fixture
def session(tiny_bert: Path) -> Any:
    return session_of(tiny_bert)


def test_the_bytes_of_a_run_are_those_of_its_model_and_some_more(session: Any, tiny_bert: Path) -> None:
    weights = 4 * sum(math.prod(tensor.shape) for tensor in read_headers(tiny_bert).values())
    once, twice = bytes_of_run(session), bytes_of_run(session_of(tiny_bert, "me/mine"))
    assert twice - once == weights
    assert 0 < once - weights - MARGIN_BYTES < 100_000


def test_a_disk_that_is_too_full_is_refused(session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_full_disk(session, tmp_path)
    needed = bytes_of_run(session)
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: needed)
    refuse_full_disk(session, tmp_path)
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 3000)
    with pytest.raises(RunFolderError, match="there is no room for what the run leaves behind") as caught:
        refuse_full_disk(session, tmp_path)
    assert caught.value.received == "3 KiB free" and "--output-dir" in caught.value.fix
    with pytest.raises(RunFolderError) as caught:
        refuse_full_disk(session, tmp_path, made=False)
    assert caught.value.fix == "make room"
    planned = dict(disk_of_plan(session, tmp_path / "runs"))
    states, model = planned.pop("states_bytes"), planned.pop("model_bytes")
    assert 0 < int(model or 0) < needed
    assert planned == {"folder": str(tmp_path / "runs"), "needed_bytes": needed, "free_bytes": 3000}
    few = f"1 MiB to be written in {tmp_path / 'runs'}, 3 KiB free: too little"
    assert disk(planned | {"states_bytes": 0}) == few
    assert (
        disk(planned | {"states_bytes": states}) == f"{few}; up to 2 MiB more for saved states, if it trains for long"
    )
    assert disk(planned | {"states_bytes": 0, "free_bytes": None}).endswith("runs")


def test_a_disk_without_room_for_states_is_told(
    session: Any, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, needed = bytes_of_state(session), bytes_of_run(session)
    assert state == 3 * weight_bytes(session.checkpoint)
    assert no_room_for_states(session, tmp_path) is None
    monkeypatch.setattr(disk_space, "file_limit", lambda: state - 1)
    assert "a saved state may be too large a file" in str(no_room_for_states(session, tmp_path))
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: needed + 2 * state - 1)
    refuse_full_disk(session, tmp_path)
    note = str(no_room_for_states(session, tmp_path))
    assert note.startswith("the disk may have no room for saved states") and "more than 15 minutes" in note
    assert no_room_for_states(session_of(tiny_bert, minutes=0), tmp_path) is None


@pytest.mark.parametrize(
    ("limit", "message"),
    [("file_limit", "the model may not be written there"), ("files_left", "its disk has no room for more files")],
)
def test_other_limits(limit: str, message: str, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, limit, lambda *_: 20)
    with pytest.raises(RunFolderError, match=message) as caught:
        refuse_full_disk(session, tmp_path)
    assert "20" in caught.value.received
