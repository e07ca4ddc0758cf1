"""The wandb callback in its offline mode: what it writes is read from its own files, and nothing is sent."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import glueft
import glueft_callbacks
from glueft.recipe import load_recipe
from glueft.runs.run import Run

pytest.importorskip("wandb", reason="needs Weights & Biases: pip install 'glueft[wandb]'")

from test_resumed_callbacks import Part, killed, whole

from glueft_callbacks.wandb_run import SentRun

OFFLINE = '{plugin="wandb", mode="offline", every_steps=1}'
BLOCK = 2**15


def records(path: Path) -> Iterator[Any]:
    """The records of a .wandb file: a log in LevelDB's format, of protobuf messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    place, whole_record = 7, b""  # after the header of the file
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        whole_record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole_record)
            whole_record = b""


def parts(folder: Path) -> list[list[Any]]:
    """The records of each part of a run, in the order of their begin; W&B's own process writes the last of them."""
    for _ in range(200):
        found = [[*records(path)] for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]
        if found and any(record.WhichOneof("record_type") == "exit" for record in found[-1]):
            break
        time.sleep(0.05)
    return found


def points(part: list[Any]) -> dict[str, list[tuple[int, float]]]:
    """The numbers by name, each with its step."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in part:
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                name = item.key or ".".join(item.nested_key)
                if not name.startswith("_"):
                    found.setdefault(name, []).append((record.history.step.num, json.loads(item.value_json)))
    return found


def started(part: list[Any]) -> Any:
    return next(record.run for record in part if record.WhichOneof("record_type") == "run")


def config(part: list[Any]) -> dict[str, Any]:
    return {update.key: json.loads(update.value_json) for update in started(part).config.update}


def test_a_run_has_its_recipe_its_numbers_and_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = '{plugin="wandb", mode="offline", every_steps=3, project="harbour", group="g", tags=["a", "b"], \
artifacts=["recipe.toml", "model", "no-such-file"]}'
    (tmp_path / "mrpc-1" / "model" / "more").mkdir(parents=True)
    for name in ("recipe.toml", "model/config.json", "model/more/a"):
        (tmp_path / "mrpc-1" / name).write_text("[task]\n")
    part = Part(tmp_path / "mrpc-1", table).train(1, 12).end()
    assert capsys.readouterr() == ("", "")
    (all_of_it,) = parts(part.run.folder)
    begun = started(all_of_it)
    assert (begun.project, begun.display_name, begun.run_group, [*begun.tags]) == ("harbour", "mrpc-1", "g", ["a", "b"])
    assert config(all_of_it)["training"]["batch_size"] == part.run.recipe.training.batch_size
    numbers = points(all_of_it)
    assert numbers["loss"][:2] == [(1, 1 / 2), (3, 1 / 4)]
    assert [step for step, _ in numbers["learning_rate"]] == [1, 3, 4, 6, 8, 9, 12]
    assert numbers["validation_loss"] == [(step, 2 / step) for step in (4, 8, 12)]
    assert numbers["epoch"] == [(4, 1), (8, 2), (12, 3)]
    ends = [record.exit.exit_code for record in all_of_it if record.WhichOneof("record_type") == "exit"]
    assert ends == [0]
    summary = {
        item.key: json.loads(item.value_json)
        for record in all_of_it
        if record.WhichOneof("record_type") == "summary"
        for item in record.summary.update
    }
    assert summary["accuracy"] == 0.5
    assert 'warning: wandb: the run folder has no "no-such-file" to upload' in part.lines
    assert any(line.startswith("wandb: run mrpc-1 of project harbour in ") for line in part.lines)


def test_a_run_that_failed_says_so(tmp_path: Path) -> None:
    Part(tmp_path / "mrpc-1", OFFLINE).train(1, 2).end("failed")
    codes: list[int] = []
    until = time.monotonic() + 20.0  # W&B's own process writes the file, and may still be at it.
    while not codes and time.monotonic() < until:
        (part,) = parts(tmp_path / "mrpc-1")
        codes = [record.exit.exit_code for record in part if record.WhichOneof("record_type") == "exit"]
        time.sleep(0.05)
    assert codes == [1]


def test_a_resumed_run_goes_on_as_the_same_one(tmp_path: Path) -> None:
    def die(part: Part) -> None:
        part.callback.close(part.run)  # type: ignore[attr-defined]
        time.sleep(1.1)  # W&B names its folders by the second

    whole(tmp_path / "mrpc-1", OFFLINE)
    killed(tmp_path / "mrpc-2", OFFLINE, 6, 4, die)
    (expected,) = parts(tmp_path / "mrpc-1")
    both = parts(tmp_path / "mrpc-2")
    assert len({started(part).run_id for part in both}) == 1 and len(both) == 2
    assert points(both[-1])["loss"] == [point for point in points(expected)["loss"] if point[0] > 6]


def test_a_set_up_that_fails_leaves_nothing(tmp_path: Path) -> None:
    run = Run.of(load_recipe("mrpc", [f"callbacks=[{OFFLINE}]"]), tmp_path / "mrpc-1")
    run.recipe.callbacks[0].build(run)
    run.record.status = "interrupted"
    glueft_callbacks.glueft_run_finished(run)
    assert not (run.folder / "wandb").exists()


def test_nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = Run.of(load_recipe("mrpc", ['callbacks=[{plugin="wandb"}]']), tmp_path / "mrpc-1")
    with pytest.raises(glueft.PluginError) as refused:
        run.recipe.callbacks[0].build(run)
    assert "nobody has logged in to Weights & Biases" in str(refused.value)
    assert 'mode = "offline"' in refused.value.fix


def test_what_goes_wrong_is_told_once_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def refuse(**_: Any) -> None:
        raise RuntimeError("out of\n  reach")

    monkeypatch.setattr("wandb.init", refuse)
    sent = SentRun({"mode": "online", "name": "n", "project": "p", "dir": "."}, wait_seconds=5, say=lines.append)
    sent.begin()
    sent.log(1, {"loss": 1.0})
    sent.close({}, [], failed=False)
    assert lines == ["warning: wandb: RuntimeError: out of reach; the run goes on without it"]


def test_a_server_that_never_answers_is_waited_for_at_the_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("wandb.init", lambda **_: threading.Event().wait(30))
    sent = SentRun({"mode": "online", "name": "n", "project": "p", "dir": "here"}, wait_seconds=-0.9, say=lines.append)
    sent.begin()
    for step in range(1000):
        sent.log(step, {"loss": 1.0})
    assert lines == []
    sent.close({}, [], failed=False)
    (line,) = lines
    assert line.startswith("warning: wandb: not everything was sent") and line.endswith("from here/wandb")
