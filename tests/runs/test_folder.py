"""A run folder is made where it can be made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from glueft.errors import RunFolderError
from glueft.runs.folder import new_run_folder


def test_a_run_folder_is_named_for_task_and_time(tmp_path: Path) -> None:
    first, second = (new_run_folder(tmp_path / "runs", "mrpc") for _ in range(2))
    assert first != second
    assert first.parent == tmp_path / "runs"
    assert first.name.startswith("mrpc-20")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as caught:
        new_run_folder(tmp_path / "file", "mrpc")
    assert "--output-dir" in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)


def test_what_lies_beside_it_keeps_no_run_from_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert new_run_folder(tmp_path, "mrpc").is_dir()
