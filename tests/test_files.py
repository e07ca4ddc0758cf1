"""Files and folders are whole or absent, and what a killed process left of one is known for it and removed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glueft import files
from glueft.errors import GlueftError, OutputError, RunFolderError
from glueft.files import (
    Reserve,
    WholeFile,
    add_line,
    cannot_write,
    check_place,
    hidden_name,
    os_error,
    size,
    sync,
    whole_folder,
    write_text,
    writing,
)
from glueft.system.process_identity import process_mark, process_mark_is_alive

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")


@pytest.fixture(autouse=True)
def nothing_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has written nowhere yet."""
    monkeypatch.setattr(files, "_swept", set())


@pytest.fixture(scope="module")
def gone() -> str:
    """The mark of a process that has ended."""
    code = "from glueft.system.process_identity import process_mark; print(process_mark())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def left_by(process: str, place: Path, kind: str = "new") -> Path:
    """The hidden name that another process gave."""
    here = hidden_name(place, kind)
    return here.with_name(here.name.replace(process_mark(), process))


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "first\n")

    def fail(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        write_text(path, "second\n")
    assert path.read_text() == "first\n"
    assert names(tmp_path) == ["run.json"]


@linux
def test_what_killed_processes_left_is_removed(tmp_path: Path, gone: str) -> None:
    assert process_mark_is_alive(gone) is False and process_mark_is_alive(process_mark()) is True
    place = tmp_path / ("ä" * 120 + ".csv")  # with more, no file system takes the name
    left_by(gone, place).write_text("half")
    model = left_by(gone, tmp_path / "model")
    model.mkdir()
    (model / "weights").write_text("half")
    elsewhere = gone[:-8] + "0" * 8
    for alive in (hidden_name(place), left_by(elsewhere, place), tmp_path / ".mine", tmp_path / ".a.glueft-new-1"):
        alive.write_text("kept")
    kept = names(tmp_path)
    write_text(place, "whole")
    assert len(kept) == 6 and len(names(tmp_path)) == 5 and set(names(tmp_path)) - set(kept) == {place.name}
    assert all(path.read_text() in ("kept", "whole") for path in tmp_path.iterdir())


@linux
def test_what_nobody_can_know_of_is_removed_after_a_day(tmp_path: Path, gone: str) -> None:
    old = left_by(gone[:-8] + "0" * 8, tmp_path / "a")
    old.write_text("half")
    os.utime(old, (0, 0))
    write_text(tmp_path / "b", "whole")
    assert names(tmp_path) == ["b"]


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_what_is_another_users_stays(tmp_path: Path, gone: str) -> None:
    left = left_by(gone, tmp_path / "a")
    left.write_text("half")
    os.chown(left, 12345, 12345)
    write_text(tmp_path / "b", "whole")
    assert left.exists()


@pytest.mark.parametrize("swap", [True, False])
def test_a_folder_replaces_another(swap: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not swap:
        monkeypatch.setattr(files, "_swap", lambda one, other: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with whole_folder(tmp_path / "out", replace=True) as beside:
        (beside / "new").touch()
        assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path / "out") == ["new"] and names(tmp_path) == ["out"]


@linux
@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_folder_is_on_the_disk_before_it_has_its_name(
    durable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, synced, fsync = tmp_path / "out", [], os.fsync

    def spy(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((path.name if path != tmp_path else "parent", place.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    with whole_folder(place, durable=durable) as beside:
        (beside / "in").mkdir()
        (beside / "in" / "a").write_text("a")
        (beside / "b").write_text("b")
        hidden = beside.name
    inside = [("a", False), ("in", False), ("b", False), (hidden, False), ("parent", True)]
    assert synced == (inside if durable else [])
    del synced[:]
    sync(place / "b")
    assert synced == [("b", True)]


def test_a_folder_that_cannot_get_to_the_disk_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="quota"), whole_folder(tmp_path / "out", replace=True, durable=True) as beside:
        (beside / "new").touch()
    assert names(tmp_path / "out") == ["old"] and names(tmp_path) == ["out"]


@linux
def test_what_a_process_killed_between_two_names_took_away_comes_back(tmp_path: Path, gone: str) -> None:
    place = tmp_path / "out"
    earlier = left_by(gone, place, "earlier")
    earlier.mkdir()
    (earlier / "old").touch()
    left_by(gone, place).mkdir()
    with pytest.raises(KeyboardInterrupt), whole_folder(place, replace=True):
        assert names(place) == ["old"]
        raise KeyboardInterrupt
    assert names(place) == ["old"] and names(tmp_path) == ["out"]


@linux
def test_what_a_process_took_away_and_replaced_goes(tmp_path: Path, gone: str) -> None:
    (tmp_path / "out").mkdir()
    left_by(gone, tmp_path / "out", "earlier").mkdir()
    other = left_by(gone, tmp_path / "other", "earlier")
    other.mkdir()
    write_text(tmp_path / "b", "whole")
    assert names(tmp_path) == sorted([other.name, "b", "out"])


def test_unfinished_things_are_removed_at_the_end(tmp_path: Path) -> None:
    whole = WholeFile(tmp_path / "a")
    whole.__enter__()  # and interrupted before anybody could leave it
    assert len(names(tmp_path)) == 1
    files.remove_unfinished()
    assert names(tmp_path) == []


def test_what_is_being_removed_at_the_end_gets_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed = []

    def remove(folder: Path, **how: Any) -> None:
        removed.append(folder)
        with pytest.raises(FileNotFoundError):
            beside.replace(tmp_path / "state")
        rmtree(folder, **how)

    rmtree = files.shutil.rmtree
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "state") as beside:
        (beside / "state.json").write_text("{}")
        monkeypatch.setattr(files.shutil, "rmtree", remove)
        files.remove_unfinished()
        monkeypatch.undo()
    assert removed and names(tmp_path) == []


def test_a_line_is_added_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "history.jsonl", os.write
    add_line(path, "first")

    def full(file: int, content: bytes) -> int:
        monkeypatch.setattr(os, "write", full_now)
        return write(file, content[:3])

    def full_now(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        add_line(path, "second")
    assert path.read_text() == "first\n"


def test_bytes_of_a_path_that_are_not_text_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff-\xc3\xa4")
    write_text(tmp_path / "run.json", json.dumps({"run_dir": name}, ensure_ascii=False))
    assert json.loads((tmp_path / "run.json").read_bytes().decode("utf-8")) == {"run_dir": name}


def test_room_that_is_kept_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    assert reserve.file is not None and os.fstat(reserve.file.fileno()).st_size == 2**18 and names(tmp_path) == []
    reserve.release()
    assert reserve.file.closed
    Reserve(tmp_path / "none").release()


def test_a_full_disk_is_told_with_what_was_needed(tmp_path: Path) -> None:
    full = cannot_write(tmp_path / "new" / "a", OSError(errno.ENOSPC, "No space left on device"), needed=3 * 2**20)
    assert full.message == f"{tmp_path / 'new' / 'a'} cannot be written"
    assert full.received.startswith("No space left on device (3 MiB needed, ") and full.received.endswith(" free)")
    assert "nothing was left behind" in full.fix
    assert cannot_write("standard output", OSError(errno.ENOSPC, "No space")).received == "No space"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.EROFS, "Read-only file system"), errno.EROFS),
        (Exception("No space left on device (os error 28)"), errno.ENOSPC),
        (OSError("Unable to write (file write failed: errno = 28, error message = 'No space left')"), errno.ENOSPC),
        (RuntimeError("UNKNOWN: /x; File too large"), errno.EFBIG),
    ],
)
def test_the_systems_word_in_errors_of_other_libraries(error: Exception, number: int, tmp_path: Path) -> None:
    found = os_error(error)
    assert found is not None and found.errno == number
    with pytest.raises(OutputError, match="cannot be written"), writing(tmp_path):
        raise error


def test_a_disk_that_takes_no_more_files_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.files.files_left", lambda path: 0)
    error = cannot_write(tmp_path / "a", OSError(errno.ENOSPC, "No space left on device"), needed=10)
    assert error.received.endswith(" free, no more files (inodes))")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    assert os_error(ValueError("the file is too large")) is None
    for error in (ValueError("x"), BrokenPipeError(errno.EPIPE, "x")):
        with pytest.raises(type(error)), writing(tmp_path):
            raise error


def test_sizes() -> None:
    assert [size(count) for count in (0, 1023, 2048, 5 * 2**20, 999.4 * 2**20, 1000 * 2**20, 17.26 * 2**30)] == [
        "0 bytes", "1023 bytes", "2 KiB", "5 MiB", "999 MiB", "1.0 GiB", "17.3 GiB",
    ]  # fmt: skip


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")

    def refused(place: Path, **options: Any) -> GlueftError:
        with pytest.raises(RunFolderError) as caught:
            check_place(place, RunFolderError, **{"force": False, "example": "b.csv"} | options)
        return caught.value

    assert refused(path).message == f"{path} exists already" and "--force" in refused(path).fix
    check_place(path, force=True, example="b.csv")
    assert refused(Path(os.devnull), force=True).received == "a device in place of a file"
    assert f"--skipped {tmp_path / 'b.csv'}" in refused(tmp_path, force=True, option="--skipped").fix
    assert "mkdir -p" in refused(tmp_path / "none" / "a.csv").fix
    assert refused(path / "a.csv").received == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_place(tmp_path / "a.csv", force=False, example="b.csv")
