"""The clock of a command starts with its process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.process_start import process_start


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells, in /proc, when a process was started")
def test_it_is_when_the_process_was_started() -> None:
    code = "from glueft.cli.process_start import process_start; print(process_start())"
    before = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        after = time.perf_counter()
        started = float(process.communicate()[0])
    # Linux tells it in hundredths of a second, rounded down.
    assert before - 0.02 <= started <= after


@pytest.mark.parametrize("stat", ["", "1 (a name) S 1", "1 (a name) S " + "x " * 30, None])
def test_elsewhere_it_is_now(stat: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_text(path: Path, **_: Any) -> str:
        if stat is None:
            raise FileNotFoundError(path)
        return stat

    monkeypatch.setattr(Path, "read_text", read_text)
    before = time.perf_counter()
    assert before <= process_start() <= time.perf_counter()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells, in /proc, when a process was started")
@pytest.mark.parametrize("boot", [1e9, 0.0])
def test_a_reading_that_cannot_be_is_not_believed(boot: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.cli.process_start.time.clock_gettime", lambda clock: boot)
    before = time.perf_counter()
    assert before <= process_start() <= time.perf_counter()
