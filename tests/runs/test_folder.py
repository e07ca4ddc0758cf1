"""A run folder is made where it can be made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from glueft.errors import RunFolderError
from glueft.runs.folder import find_run_folder, new_run_folder, no_run_folder
from glueft.runs.run_list import list_runs


def made(output_dir: Path) -> Path:
    with new_run_folder(output_dir, "mrpc") as (folder, beside):
        (beside / "run.json").touch()
    return folder


def test_a_run_folder_is_named_for_task_and_time(tmp_path: Path) -> None:
    first, second = (made(tmp_path / "runs") for _ in range(2))
    assert first != second
    assert first.parent == tmp_path / "runs"
    assert first.name.startswith("mrpc-20")


def test_a_run_folder_is_there_once_its_record_is(tmp_path: Path) -> None:
    with new_run_folder(tmp_path, "mrpc") as (folder, beside):
        assert not folder.exists() and beside.parent == tmp_path and beside.name.startswith(".")
        (beside / "run.json").touch()
        assert list_runs(tmp_path) == []
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    with pytest.raises(ZeroDivisionError), new_run_folder(tmp_path, "mrpc") as (_, beside):
        (beside / "recipe.toml").touch()
        raise ZeroDivisionError
    assert [*tmp_path.iterdir()] == [folder]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as caught:
        made(tmp_path / "file")
    assert "--output-dir" in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)


def test_what_lies_beside_it_keeps_no_run_from_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert made(tmp_path).is_dir()


def test_what_was_published_of_a_run_is_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "mrpc"
    folder.mkdir()
    for name in ("run.json", "config.json"):
        (folder / name).write_text("{}")
    assert find_run_folder(folder) is None and list_runs(tmp_path) == []
    error = no_run_folder(folder)
    assert "what glueft push publishes" in error.received and "glueft evaluate --task NAME" in error.fix
    (folder / "model").mkdir()
    assert find_run_folder(folder) == find_run_folder(folder / "model") == folder
