"""A signal while glueft is still being imported ends it as at any later time."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from documents import CHECKOUT

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
        ("SIGHUP", "signal.SIG_IGN", 0, ""),
    ],
)
def test_a_signal_during_the_imports(name: str, before: str, code: int, said: str) -> None:
    done = start(getattr(signal, name), before)
    assert (done.returncode, done.stderr) == (code, said)
