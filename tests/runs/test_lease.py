"""One process trains in a run folder; others can tell whether it is alive."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glueft.errors import RunFolderError
from glueft.recipe import load_recipe
from glueft.runs import lease
from glueft.runs.lease import Lease, is_running
from glueft.runs.run import Run
from glueft.runs.run_list import listed
from glueft.system import interruption
from glueft.system.process_identity import process_identity

fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")


@contextmanager
def trainer(folder: Path, then: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease of a folder."""
    code = (
        "import os, sys, time; from pathlib import Path; from glueft.runs.lease import Lease\n"
        f"lease = Lease.take(Path({str(folder)!r}))\n{then}\nprint('taken', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def beat_of(folder: Path, *, age: float = 0.0, **process: object) -> None:
    """Write what the process of another host has left."""
    (folder / "heartbeat").write_text(json.dumps({"host": "harbour", "process": process_identity() | process}))
    moment = time.time() - age
    os.utime(folder / "heartbeat", (moment, moment))


def test_a_run_that_is_alive_is_refused_and_one_that_was_killed_is_not(tmp_path: Path) -> None:
    with trainer(tmp_path) as process:
        assert said(process) == "taken"
        with pytest.raises(RunFolderError, match="the run is still going on") as caught:
            Lease.take(tmp_path)
        assert caught.value.received == f"process {process.pid} trains it"
        assert caught.value.fix == f"wait until it is done, or end it: kill {process.pid}"
        assert is_running(tmp_path, None) is True
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_running(tmp_path, process_identity()) is False  # what the folder says counts
        mine = Lease.take(tmp_path)
        assert is_running(tmp_path, None) is True
        mine.release()
        mine.release()
        assert list(tmp_path.iterdir()) == [] and is_running(tmp_path, None) is None


def test_a_fork_keeps_neither_the_lock_nor_the_file(tmp_path: Path) -> None:
    forks = """
is_forked, forked = os.pipe()
child = os.fork()
if child == 0:
    lease.release()
    os.write(forked, b".")
    time.sleep(60)
    os._exit(0)
os.read(is_forked, 1)
print(child)
"""
    with trainer(tmp_path, forks) as process:
        child = int(said(process))
        try:
            assert said(process) == "taken"
            with pytest.raises(RunFolderError):
                Lease.take(tmp_path)
            process.kill()
            process.wait()
            os.kill(child, 0)  # it lives
            Lease.take(tmp_path).release()
        finally:
            os.kill(child, signal.SIGKILL)


def test_this_process_cannot_take_it_twice(tmp_path: Path) -> None:
    mine = Lease.take(tmp_path)
    with pytest.raises(RunFolderError):
        Lease.take(tmp_path)
    mine.release()


def test_another_host_is_alive_as_long_as_its_heart_beats(tmp_path: Path) -> None:
    beat_of(tmp_path, age=30, boot_id="another")
    assert is_running(tmp_path, None) is True
    with pytest.raises(RunFolderError) as caught:
        Lease.take(tmp_path)
    pid = os.getpid()
    # On a busy machine it is a little later by now.
    since = re.fullmatch(rf"process {pid} on harbour gave a sign of life (3\d) s ago", caught.value.received)
    assert since is not None
    assert caught.value.fix.startswith(f"wait until it is done, or end it: kill {pid} on harbour; if it is gone")
    assert caught.value.fix.endswith(f"try again in {120 - int(since[1])} s")
    beat_of(tmp_path, age=121, boot_id="another")
    assert is_running(tmp_path, None) is False
    Lease.take(tmp_path).release()


def test_the_clock_of_the_file_system_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, alive in ((0, True), (1000, False)):
        beat_of(tmp_path, age=age, boot_id="another")
        with monkeypatch.context() as here:
            here.setattr("glueft.runs.lease.time.time", lambda: 0.0)
            assert is_running(tmp_path, None) is alive
    assert [path.name for path in tmp_path.iterdir()] == ["heartbeat"]


def test_another_container_of_this_machine_has_let_go_of_the_lock(tmp_path: Path) -> None:
    beat_of(tmp_path, pid_namespace="another")
    Lease.take(tmp_path).release()


def test_without_locks_the_process_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with trainer(tmp_path) as process:
        assert said(process) == "taken"
        with pytest.raises(RunFolderError, match="still going on"):
            Lease.take(tmp_path)
        process.kill()
        process.wait()
        Lease.take(tmp_path).release()


def test_a_file_that_was_removed_in_that_moment_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lease._lock

    def removed(file: int) -> bool | None:
        monkeypatch.setattr(lease, "_lock", lock)
        (tmp_path / "heartbeat").unlink()
        return lock(file)

    monkeypatch.setattr(lease, "_lock", removed)
    mine = Lease.take(tmp_path)
    with pytest.raises(RunFolderError):
        Lease.take(tmp_path)
    mine.release()


def test_where_nothing_can_be_written_the_run_goes_on_without(tmp_path: Path) -> None:
    Lease.take(tmp_path / "gone").release()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_in_its_place_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "heartbeat")
    assert is_running(tmp_path, None) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3, "process": "x"}'])
def test_what_cannot_be_read_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "heartbeat").write_text(content)
    assert is_running(tmp_path, process_identity()) is True
    assert is_running(tmp_path, process_identity() | {"start_ticks": 1}) is False
    Lease.take(tmp_path).release()


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    mine = Lease.take(tmp_path)
    os.utime(tmp_path / "heartbeat", (0, 0))
    until = time.monotonic() + 10
    while (tmp_path / "heartbeat").stat().st_mtime == 0 and time.monotonic() < until:
        time.sleep(0.01)
    assert (tmp_path / "heartbeat").stat().st_mtime > 0
    mine.release()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RunFolderError("it is gone")])
def test_a_run_holds_its_folder_until_it_ends(tmp_path: Path, error: BaseException | None) -> None:
    run = Run.create(load_recipe("mrpc", sample=True), tmp_path)
    with pytest.raises(RunFolderError):
        Lease.take(run.folder)
    assert listed(run.folder).status == "running"
    run.close({}, error)
    assert not (run.folder / "heartbeat").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunFolderError("it is gone")])
def test_a_run_that_is_being_resumed_is_running(tmp_path: Path, error: BaseException) -> None:
    run = Run.create(load_recipe("mrpc", sample=True), tmp_path)
    run.close({}, error)
    with trainer(run.folder) as process:
        assert said(process) == "taken"
        found = listed(run.folder)
        assert (found.status, found.note) == ("running", f"{run.record.status} before, and it is being resumed")
        with pytest.raises(RunFolderError) as caught:
            Run.open(run.folder)
        assert "and it is being resumed" in caught.value.received and caught.value.fix == "wait until it is done"
        process.kill()
        process.wait()
        assert listed(run.folder).status == run.record.status


def test_a_run_that_cannot_write_how_it_ended_lets_go_too(tmp_path: Path) -> None:
    run = Run.create(load_recipe("mrpc", sample=True), tmp_path)
    (run.folder / "run.json").unlink()
    (run.folder / "run.json" / "x").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"run\.json cannot be written"):
        run.close({})
    assert not (run.folder / "heartbeat").exists()


def test_a_run_whose_process_is_ended_on_the_spot_lets_go(tmp_path: Path) -> None:
    run = Run.create(load_recipe("mrpc", sample=True), tmp_path)
    interruption.say_last()
    assert json.loads((run.folder / "run.json").read_text())["status"] == "interrupted"
    assert sorted(path.name for path in run.folder.iterdir()) == ["recipe.toml", "run.json"]
    run.discard()
    assert list(tmp_path.iterdir()) == []
