"""Standard output and error that are closed, full or no longer read: a sentence, or the work goes on without them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glueft.cli import streams
from glueft.cli.streams import StandardStream, go_on_without_output, refuse_lost_output, settle_streams
from glueft.errors import OutputError

GLUEFT = [sys.executable, "-m", "glueft.cli.main"]
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
SENTENCE = "standard output cannot be written\n  expected: a terminal, a pipe that is read, or a file with room\n"


def opened(path: Path | str, *, goes_on: bool = False) -> StandardStream:
    """A stream of this process's that writes to a file."""
    return StandardStream(Path(path).open("w", encoding="utf-8"), "standard output", goes_on=goes_on)


@full
@pytest.mark.parametrize(
    ("redirected", "arguments", "received"),
    [
        (">/dev/full", "--help", "No space left on device"),
        (">&-", "list task", "it is closed"),
        (">&- <&-", "--version", "it is closed"),
    ],
)
def test_a_light_command_says_it_in_a_sentence(redirected: str, arguments: str, received: str) -> None:
    command = f'exec "{sys.executable}" -m glueft.cli.main {arguments} {redirected}'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{SENTENCE}  received: {received}\n  to fix:   redirect it elsewhere\n"


@full
def test_nothing_can_be_said_where_standard_error_is_full_or_closed_too() -> None:
    command = f'exec "{sys.executable}" -m glueft.cli.main list >/dev/full 2>&-'
    assert subprocess.run(command, shell=True, check=False).returncode == 2


def test_the_reader_of_a_light_command_goes_away() -> None:
    with subprocess.Popen([*GLUEFT, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@full
def test_what_is_lost_does_not_turn_up_elsewhere(tmp_path: Path) -> None:
    stream = opened("/dev/full")
    with pytest.raises(OutputError):
        print("lost", file=stream, flush=True)
    with (tmp_path / "elsewhere").open("w", encoding="utf-8") as elsewhere:
        os.dup2(elsewhere.fileno(), stream.fileno())
    stream.stream.close()
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == ""


@full
def test_work_goes_on_without_output_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stdout", opened("/dev/full"))
    monkeypatch.setattr(sys, "stderr", told)
    go_on_without_output()
    for _ in range(3):
        print("step", flush=True)
    assert told.getvalue() == (
        "warning: standard output cannot be written (No space left on device); the command goes on without it\n"
    )
    with pytest.raises(OutputError, match="standard output cannot be written") as caught:
        refuse_lost_output()
    assert caught.value.fix.endswith("the command has done its work")
    settle_streams()


def test_work_goes_on_silently_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = io.StringIO()
    monkeypatch.setattr(sys, "stdout", opened(f"/dev/fd/{writer}", goes_on=True))
    monkeypatch.setattr(sys, "stderr", told)
    os.close(writer)
    print("step", flush=True)
    print("step", flush=True)
    assert told.getvalue() == ""
    with pytest.raises(BrokenPipeError):
        refuse_lost_output()


def test_streams_that_can_be_written_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", opened(tmp_path / "out"))
    print("text")
    streams.go_on_without_output()
    refuse_lost_output()
    assert (tmp_path / "out").read_text() == "text\n" and sys.stdout.encoding == "utf-8"


def test_a_stream_that_was_closed_over_its_head_has_nothing_to_flush(tmp_path: Path) -> None:
    """As by the writer of a table, whose buffer it shares, when the reader goes away."""
    stream = opened(tmp_path / "out")
    stream.stream.close()
    stream.flush()
    assert stream.failure is None
