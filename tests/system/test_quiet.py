"""The libraries' noise is held back, and shown where a bug makes it worth reading."""

from __future__ import annotations

import os

import pytest

from glueft.errors import GlueftError
from glueft.system.quiet import STDERR, captured_stderr


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (None, ""),
        (GlueftError("a file", expected="", received="", fix=""), ""),
        (KeyboardInterrupt(), ""),
        (ValueError("a bug"), "noise\n"),
    ],
)
def test_noise_is_shown_for_a_bug_alone(
    error: BaseException | None, shown: str, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        with captured_stderr():
            os.write(STDERR, b"noise\n")
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    assert capfd.readouterr().err == shown
