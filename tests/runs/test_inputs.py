"""Files of data, checkpoint and plugins that have changed since a run was made from them."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from glueft.encoder.checkpoint_finder import find_checkpoint
from glueft.runs import inputs
from glueft.runs.inputs import changed_inputs, describe_inputs, option_files
from glueft.runs.record import Checkpoint, InputFile, PluginFile, Record


def record_of(*files: InputFile, **parts: object) -> Record:
    record = Record(status="done", task="mrpc", seed=1, started="", run_dir="")
    record.inputs = [*files]
    record.update(parts)
    return record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "train.tsv"
    file.write_text("one\ttwo\n")
    return file


@pytest.fixture
def record(data: Path, tiny_bert: Path) -> Record:
    return record_of(*describe_inputs([data], find_checkpoint(str(tiny_bert))))


def test_nothing_has_changed(record: Record, data: Path, tiny_bert: Path) -> None:
    assert changed_inputs(record) == []
    assert [file.path for file in record.inputs][:2] == [str(data), str(tiny_bert / "config.json")]
    assert all(len(file.sha256) == 64 and file.size for file in record.inputs)
    assert Record.model_validate(record.as_dict()) == record


def test_a_file_with_another_content_is_named(record: Record, data: Path) -> None:
    for content in ("one\ttwo\nthree\tfour\n", "ONE\ttwo\n"):  # of another size, and of the same
        data.write_text(content)
        os.utime(data, ns=(2, 2))  # some file systems have clocks that tick slowly
        assert changed_inputs(record) == [f"the data file {data} has changed since the run"]
    data.write_text("one\ttwo\n")
    os.utime(data, ns=(1, 1))
    assert changed_inputs(record) == []


def test_a_file_that_is_gone_has_not_changed(record: Record, data: Path) -> None:
    data.unlink()
    assert changed_inputs(record) == []


def test_another_checkpoint_behind_the_same_name(data: Path, tiny_bert: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "encoder", tmp_path / "other"
    link.symlink_to(tiny_bert)
    record = record_of(*describe_inputs([], find_checkpoint(str(link))))
    shutil.copytree(tiny_bert, other)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    link.unlink()
    link.symlink_to(other)
    assert changed_inputs(record) == [f"the checkpoint file {link / 'config.json'} has changed since the run"]


def test_plugin_files_and_the_checkpoints_of_earlier_runs(tmp_path: Path) -> None:
    plugin, config = tmp_path / "plugin.py", tmp_path / "config.json"
    for file in (plugin, config):
        file.write_text("{}")
    sha256 = hashlib.sha256(b"{}").hexdigest()
    record = record_of(checkpoint=Checkpoint(name=str(tmp_path), sha256={"config.json": sha256}).as_dict())
    record.plugins.files = [PluginFile(path=str(plugin), sha256=sha256)]
    assert changed_inputs(record) == []
    for file in (plugin, config):
        file.write_text("[]")
        os.utime(file, ns=(2, 2))
    assert [line.split()[1] for line in changed_inputs(record)] == ["checkpoint", "plugin"]


def test_runs_that_have_their_files_in_common_read_each_once(
    record: Record, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in record.inputs:
        os.utime(file.path, ns=(7, 7))
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(inputs.hashlib, "file_digest", lambda *args: read.append(args) or digest(*args))
    assert not any(changed_inputs(record) for _ in range(1000))
    assert len(read) == len(record.inputs)


def test_the_files_that_options_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    options = {"train": str(tmp_path / "a.csv"), "text": "a.csv", "more": [{"file": str(tmp_path / "none")}], "n": 3}
    assert [*option_files(options)] == [tmp_path / "a.csv"] == [*option_files({"in": (options,)})]
    assert [*option_files("/" + "x" * 5000)] == [*option_files("/\0")] == []
