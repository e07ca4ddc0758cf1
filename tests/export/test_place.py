"""What an export may replace, and that it appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glueft.errors import ExportError
from glueft.export.place import DESCRIPTION, export_folder, is_export, refuse_taken

SOURCE = Path("/nowhere/run")


def earlier_export(folder: Path) -> Path:
    folder.mkdir()
    (folder / DESCRIPTION).write_text('{"format": "keras", "glueft": "0.1.0"}')
    (folder / "model.keras").write_text("old")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("force", [False, True])
def test_a_free_place(force: bool, tmp_path: Path) -> None:
    refuse_taken(tmp_path / "new", force=force, source=SOURCE)
    (tmp_path / "empty").mkdir()
    refuse_taken(tmp_path / "empty", force=force, source=SOURCE)


def test_force_replaces_an_export_and_nothing_else(tmp_path: Path) -> None:
    folder = earlier_export(tmp_path / "out")
    with pytest.raises(ExportError, match="there is something in the place of the export") as caught:
        refuse_taken(folder, force=False, source=SOURCE)
    assert caught.value.received == "a folder with export.json, model.keras"
    assert caught.value.fix == "add --force to replace it, or name another folder"
    refuse_taken(folder, force=True, source=SOURCE)
    home = tmp_path / "home"
    (home / "letters").mkdir(parents=True)
    for force in (False, True):
        with pytest.raises(ExportError) as caught:
            refuse_taken(home, force=force, source=SOURCE)
        assert caught.value.received == "a folder with letters/"
        assert "--force replaces nothing but exports" in caught.value.fix


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_place(force: bool, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("text")
    with pytest.raises(ExportError, match="there is something in the place") as caught:
        refuse_taken(tmp_path / "out", force=force, source=SOURCE)
    assert caught.value.received == "a file"


def test_what_is_exported_is_not_replaced(tmp_path: Path) -> None:
    folder = earlier_export(tmp_path / "out")
    for source in (folder, folder / "run"):
        with pytest.raises(ExportError, match="it holds what is to be exported"):
            refuse_taken(folder, force=True, source=source)


def test_a_path_that_other_programs_cannot_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="must be UTF-8"):
        refuse_taken(tmp_path / os.fsdecode(b"\xff"), force=True, source=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": "keras"}', "[" * 100_000])
def test_what_is_no_export(text: str, tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text(text)
    assert not is_export(tmp_path)


def test_an_earlier_export_goes_once_the_new_one_is_done(tmp_path: Path) -> None:
    folder = earlier_export(tmp_path / "out")
    with export_folder(folder) as unfinished:
        (unfinished / "model.onnx").write_text("new")
        assert names(folder) == [DESCRIPTION, "model.keras"]
    assert names(folder) == ["model.onnx"] and names(tmp_path) == ["out"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, ExportError])
def test_nothing_is_left_of_a_failure(failure: type[BaseException], tmp_path: Path) -> None:
    folder = earlier_export(tmp_path / "out")
    words = {"expected": "", "received": "", "fix": ""} if failure is ExportError else {}
    with pytest.raises(failure), export_folder(folder) as unfinished:
        (unfinished / "model.onnx").write_text("half")
        raise failure("stop", **words)
    assert names(folder) == [DESCRIPTION, "model.keras"] and names(tmp_path) == ["out"]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written") as caught, export_folder(tmp_path / "out"):
        raise OSError(28, os.strerror(28))
    assert caught.value.received.startswith("No space left on device (")
    assert names(tmp_path) == []


def test_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(ExportError, match="cannot be written"), export_folder(tmp_path / "file" / "out"):
        pytest.fail("there is no such place")


def test_parents_are_made_and_others_may_read(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        with export_folder(tmp_path / "a" / "b"):
            pass
    finally:
        os.umask(umask)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755
