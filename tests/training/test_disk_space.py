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
from glueft.training.disk_space import MARGIN_BYTES, bytes_of_run, disk_of_plan, refuse_full_disk


@pytest.fixture
def tokens(tiny_bert: Path) -> Any:
    """What is known of a run's rows and checkpoint: two rows are predicted."""
    encoded = {"validation": SimpleNamespace(labels=[0, 1])}
    return SimpleNamespace(checkpoint=find_checkpoint(str(tiny_bert), None), encoded=encoded, predicted=("validation",))


def recipe(push: str | None = None) -> Any:
    """What is asked of a run that matters here."""
    return SimpleNamespace(hub=SimpleNamespace(push=push, when="epoch"), task=SimpleNamespace(labels=("no", "yes")))


def test_the_bytes_of_a_run_are_those_of_its_model_and_some_more(tokens: Any, tiny_bert: Path) -> None:
    weights = 4 * sum(math.prod(tensor.shape) for tensor in read_headers(tiny_bert).values())
    once, twice = bytes_of_run(recipe(), tokens), bytes_of_run(recipe("me/mine"), tokens)
    assert twice - once == weights
    assert 0 < once - weights - MARGIN_BYTES < 100_000


def test_a_disk_that_is_too_full_is_refused(tokens: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_full_disk(recipe(), tokens, tmp_path)
    needed = bytes_of_run(recipe(), tokens)
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: needed)
    refuse_full_disk(recipe(), tokens, tmp_path)
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 3000)
    with pytest.raises(RunFolderError, match="there is no room for what the run leaves behind") as caught:
        refuse_full_disk(recipe(), tokens, tmp_path)
    assert caught.value.received == "3 KiB free" and "--output-dir" in caught.value.fix
    planned = dict(disk_of_plan(recipe(), tokens, tmp_path / "runs"))
    assert planned == {"folder": str(tmp_path / "runs"), "needed_bytes": needed, "free_bytes": 3000}
    assert disk(planned) == f"1 MiB to be written in {tmp_path / 'runs'}, 3 KiB free: too little"
    assert disk(planned | {"free_bytes": None}).endswith("runs")


@pytest.mark.parametrize(
    ("limit", "message"),
    [("file_limit", "the model may not be written there"), ("files_left", "its disk has no room for more files")],
)
def test_other_limits(limit: str, message: str, tokens: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, limit, lambda *_: 20)
    with pytest.raises(RunFolderError, match=message) as caught:
        refuse_full_disk(recipe(), tokens, tmp_path)
    assert "20" in caught.value.received
