"""What a prediction shows while it goes on."""

from __future__ import annotations

import pytest

from glueft.inference.progress import PredictionProgress


@pytest.mark.parametrize(("quiet", "shown"), [(False, "8 rows\nwarning: cut\n"), (True, "warning: cut\n")])
def test_quiet_leaves_out_what_was_done(quiet: bool, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    progress = PredictionProgress(quiet=quiet)
    with progress.phase("model"), progress.counting("predicting", 8):
        progress.rows(8)
    progress.inform("8 rows")
    progress.say("warning: cut")
    assert capsys.readouterr().err == shown
