"""Whether the process of a run still lives: told where it can be known, and only there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glueft.system import process_identity as identities
from glueft.system.process_identity import is_alive, process_identity

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")


@pytest.fixture
def me() -> dict[str, Any]:
    """This process, as run.json holds it."""
    return json.loads(json.dumps(process_identity()))  # type: ignore[no-any-return]


@linux
def test_a_process_lives_until_it_ends(me: dict[str, Any]) -> None:
    assert is_alive(me) is True
    program = (
        "import json, sys; from glueft.system.process_identity import process_identity as p; print(json.dumps(p()))"
    )
    waits = f"{program}; sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waits], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        other = json.loads(process.stdout.readline())
        assert is_alive(other) is True
        process.kill()
        # Nothing comes after the end; the process has not been waited for yet.
        assert process.stdout.read() == ""
        while is_alive(other):
            pass
        assert process.returncode is None
    assert is_alive(other) is False


@linux
def test_the_number_of_another_process_is_not_the_run(me: dict[str, Any]) -> None:
    assert is_alive(me | {"start_ticks": me["start_ticks"] - 1}) is False
    assert is_alive(me | {"pid": 2**22 + 1}) is False  # Above the kernel's highest number, see proc(5).


@linux
@pytest.mark.parametrize(
    "other",
    [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}, {"pid": "x"}, {"start_ticks": None}],
)
def test_what_cannot_be_known_is_not_guessed(me: dict[str, Any], other: dict[str, Any]) -> None:
    assert is_alive(me | other) is None


@pytest.mark.parametrize("nothing", [None, {}, {"pid": 1}, [], "1"])
def test_runs_that_do_not_say(nothing: Any) -> None:
    assert is_alive(nothing) is None


def test_a_system_without_proc(tmp_path: Path, me: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "PROC", tmp_path / "proc")
    assert set(process_identity()) == {"pid"}
    assert is_alive(me) is None


@linux
def test_where_processes_are_hidden(tmp_path: Path, me: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text(me["boot_id"] + "\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to(me["pid_namespace"])
    monkeypatch.setattr(identities, "PROC", tmp_path)
    assert is_alive(me) is None
    (tmp_path / "1").mkdir()
    assert is_alive(me) is False
