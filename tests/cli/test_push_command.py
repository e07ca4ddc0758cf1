"""`glueft push` as a user types it: a real process, its output, its exit code, and no trace of the token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from hub_fixtures import push_command
from hub_server import HubServer, running_hub
from hub_uploads import Account

TOKEN = "hf_NobodyMayReadThis"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.accounts = {TOKEN: Account("alice")}
        yield hub


def push(hub: HubServer, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return push_command(hub, folder, *arguments, **{"HF_TOKEN": TOKEN} | environment)


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


def test_what_a_user_sees(hub: HubServer, run: Path, tmp_path: Path) -> None:
    done = push(hub, tmp_path, str(run), "alice/seen")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{hub.url}/alice/seen (new, public)" in done.stdout
    assert "glueft run RECIPE --checkpoint alice/seen" in done.stdout
    again = push(hub, tmp_path, str(run / "model"), "alice/seen", "--revision", "trial", "--json")
    assert again.returncode == 0 and again.stdout.count("\n") == 1
    answer = json.loads(again.stdout)
    assert (answer["revision"], answer["created"], answer["status"]) == ("trial", False, "done")
    assert again.stderr.startswith("push to alice/seen (")
    # Both stand in the record, which tells of no failure any more.
    pushes = json.loads((run / "run.json").read_text())["hub"]["pushes"]
    assert [push["revision"] for push in pushes] == ["main", "trial"]
    assert pushes[1] == answer


@pytest.mark.slow
def test_the_token_is_nowhere(hub: HubServer, run: Path, tmp_path: Path) -> None:
    """Whatever is switched on to see more: not in the output, in a traceback, the run folder or the client's logs."""
    loud = {"HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "RUST_LOG": "debug", "HF_XET_LOG_LEVEL": "debug"}
    outputs = [push(hub, tmp_path, str(run), "alice/quiet", **loud)]
    outputs += [push(hub, tmp_path, str(run), "bob/quiet", **loud)]
    outputs += [push(hub, tmp_path, str(run), "alice/quiet", "--private", HF_TOKEN=f"{TOKEN} ", **loud)]
    outputs += [push(hub, tmp_path, str(run), "alice/quiet", HF_TOKEN=f"{TOKEN}\x01x", **loud)]
    assert [done.returncode for done in outputs] == [0, 2, 2, 2]
    failed = push(hub, tmp_path, str(run), "alice/quiet", **loud, PYTHONPATH=str(bug(tmp_path / "bug")))
    assert failed.returncode == 1 and "Traceback" in failed.stderr and "ZeroDivisionError" in failed.stderr
    for done in (*outputs, failed):
        assert TOKEN not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    assert not [body for body in hub.bodies if TOKEN.encode() in body]
    files = [content for repository in hub.repositories.values() for files in repository.commits.values()
             for content in files.values()]  # fmt: skip
    assert files and not [content for content in files if TOKEN.encode() in content]


def bug(folder: Path) -> Path:
    """A folder for PYTHONPATH with a bug in a push."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import builtins\n"
        "make = builtins.__build_class__\n"
        "def build(function, name, *bases, **options):\n"
        "    made = make(function, name, *bases, **options)\n"
        "    if name == 'Content':\n"
        "        made.sizes = lambda self: 1 / 0\n"
        "    return made\n"
        "builtins.__build_class__ = build\n"
    )
    return folder


def test_errors_are_sentences(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They come before the hub is asked."""
    (run / "run.json").write_text((run / "run.json").read_text().replace('"done"', '"running"'))
    for arguments, words in (
        ((str(run), "alice/x"), "the run is not done"),
        ((str(tmp_path), "alice/x"), "this is not a run folder"),
        ((str(run), "alice"), "must be USER/NAME"),
        ((str(run), "alice/x", "--revision", "a b"), "must be the name of a branch"),
    ):
        assert command_line(["push", *arguments, "--json"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert words in told.err and "to fix:" in told.err and "Traceback" not in told.err


def test_a_record_that_cannot_be_written_does_not_hide_the_push(
    hub: HubServer, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glueft.push.push import Pushed, Target
    from glueft.push.record import note_push
    from glueft.runs.run import Run

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("glueft.runs.run.write_text", full)
    said: list[str] = []
    note_push(Run.open(run), Pushed(Target("alice/x"), hub.url, "0" * 40, True, False, {}, (), 1.0), said.append)
    (warning,) = said
    assert warning.startswith(f"warning: {run / 'run.json'} cannot be written (No space left on device (")
    assert warning.endswith("); it does not name this push")


def test_help_and_errors_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from glueft.cli.main import command_line\n"
        "codes = [command_line(['push', '--help']), command_line(['push', '.', 'alice'])]\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'evaluate', 'numpy'}\n"
        "print(codes, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[0, 2] []", done.stderr


def test_the_recipe_in_a_push_is_shown_and_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command_line(["show", "mrpc", "--set", "hub.push=alice/mrpc", "--set", "hub.when=epoch"]) == 0
    (tmp_path / "shown.toml").write_text(capsys.readouterr().out)
    assert command_line(["show", str(tmp_path / "shown.toml")]) == 0
    shown = capsys.readouterr().out
    assert shown == (tmp_path / "shown.toml").read_text()
    assert '[hub]\npush = "alice/mrpc"\nprivate = false\nwhen = "epoch"\n' in shown
