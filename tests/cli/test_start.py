"""The start of the process: its clock, and signals while glueft is still being imported."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from documents import CHECKOUT
from glueft.cli.start import process_start

# The signal comes when a module is looked for that glueft imports early.
PROGRAM = """
import os, signal, sys
number = {number}
signal.signal(number, {before})
class Early:
    def find_spec(self, name, path=None, target=None):
        if name == "pydantic":
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Early())
sys.path.insert(0, {checkout!r})
sys.argv = ["glueft", "--version"]
from glueft.cli.start import main
main()
"""


def start(number: int, before: str) -> subprocess.CompletedProcess[str]:
    """Start the command line, and send it a signal on the way."""
    program = PROGRAM.format(number=int(number), before=before, checkout=str(CHECKOUT))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has other signals")
@pytest.mark.parametrize(
    ("name", "before", "code", "said"),
    [
        ("SIGINT", "signal.default_int_handler", 130, "interrupted\n"),
        ("SIGTERM", "signal.SIG_DFL", 143, "interrupted by SIGTERM\n"),
        ("SIGUSR1", "signal.SIG_DFL", 143, "interrupted by SIGUSR1\n"),
        ("SIGHUP", "signal.SIG_IGN", 0, ""),
    ],
)
def test_a_signal_during_the_imports(name: str, before: str, code: int, said: str) -> None:
    done = start(getattr(signal, name), before)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells, in /proc, when a process was started")
def test_it_is_when_the_process_was_started() -> None:
    code = "from glueft.cli.start import process_start; print(process_start())"
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
    monkeypatch.setattr("glueft.cli.start.time.clock_gettime", lambda clock: boot)
    before = time.perf_counter()
    assert before <= process_start() <= time.perf_counter()
