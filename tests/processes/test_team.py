"""The processes of a run end together, whatever ends one of them; here without a model."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ports import keep_port

GRACE_SECONDS = 1.0  # as in member.py
MEMBER = Path(__file__).with_name("member.py")


@contextmanager
def members(how: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that take steps; both have begun."""
    at = f"127.0.0.1:{keep_port()}"
    temporary = Path(tempfile.mkdtemp())
    both = [
        subprocess.Popen(
            [sys.executable, str(MEMBER), at, "2", str(process), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TMPDIR": str(temporary)},
        )
        for process in (0, 1)
    ]
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("begun")
        yield both
    finally:
        for process in both:
            process.kill()
        for process in both:
            process.communicate()
        left = list(temporary.iterdir())
        shutil.rmtree(temporary)
    # One that is killed may have been at the end of its own clearing up: the other one was killed before it.
    killed = [number for number, process in enumerate(both) if process.returncode == -signal.SIGKILL]
    assert len(left) <= len(killed), (left, "the others remove what they wrote")


def ends(processes: list[Any]) -> list[tuple[int, str]]:
    """The exit code and the output of each."""
    return [(process.wait(20), process.stdout.read()) for process in processes]


def test_all_is_well() -> None:
    with members("done") as both:
        assert [code for code, _ in ends(both)] == [0, 0]


@pytest.mark.parametrize("signalled", [(0,), (1,), (0, 1)])
def test_after_a_signal_all_end_after_the_same_step(signalled: tuple[int, ...]) -> None:
    with members("steps") as both:
        time.sleep(0.3)
        for process in signalled:
            both[process].send_signal(signal.SIGTERM)
        ended = ends(both)
    assert [code for code, _ in ended] == [143, 143], ended
    steps = [re.search(r"interrupted after (\d+)", text) for _, text in ended]
    assert steps[0] and steps[1] and steps[0][1] == steps[1][1], ended


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_before_the_first_step_ends_both_at_once(signalled: int) -> None:
    with members("set-up") as both:
        both[signalled].send_signal(signal.SIGINT)
        ended = ends(both)
    assert [code for code, _ in ended] == [130, 130], ended


def test_one_that_is_killed_ends_the_other_with_a_sentence() -> None:
    with members("steps") as both:
        both[0].kill()
        ((code, text),) = ends(both[1:])
    assert code == 2
    assert re.search(r"process 0 of 2 \(.+\) is gone\n.*\n.*\n.*glueft resume RUN", text), text


@pytest.mark.slow
def test_one_that_takes_no_more_of_a_file_ends_the_other() -> None:
    with members("files") as both:
        both[1].send_signal(signal.SIGSTOP)
        ((code, text),) = ends(both[:1])
    assert code == 2
    assert "process 1 of 2" in text and "is gone" in text, text


def test_process_0_ends_well_where_it_needed_the_others_no_more() -> None:
    with members("late") as both:
        both[1].kill()
        assert ends(both[:1]) == [(0, "")]


@pytest.mark.slow
def test_one_that_is_silent_ends_the_other() -> None:
    with members("set-up") as both:
        both[0].send_signal(signal.SIGSTOP)
        ((code, text),) = ends(both[1:])
    assert code == 2
    assert "process 0 of 2" in text and "nothing has been heard of it for 4 seconds" in text, text


@pytest.mark.slow
def test_a_job_that_is_stopped_for_a_while_goes_on() -> None:
    with members("set-up") as both:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in both:
                process.send_signal(number)
            time.sleep(4.5 if number == signal.SIGSTOP else 1.0)
        assert [process.poll() for process in both] == [None, None]


def test_process_0_records_it_where_its_main_thread_cannot(tmp_path: Path) -> None:
    with members("stuck") as both:
        both[1].kill()
        begin = time.monotonic()
        ((code, text),) = ends(both[:1])
    assert time.monotonic() - begin > GRACE_SECONDS - 0.5
    assert code == 2
    assert text.startswith("recorded\n") and "process 1 of 2" in text and "is gone" in text


def test_an_error_of_one_is_told_by_the_other() -> None:
    with members("error") as both:
        (code, text), (code_1, text_1) = ends(both)
    assert (code, code_1) == (2, 2)
    assert "process 1 of 2" in text and "has failed" in text and "no row is left: add one" in text
    assert text_1.startswith("no row is left")
