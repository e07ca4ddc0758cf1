"""What a prediction shows, while it goes on and of a row."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.inference.printing import answer_lines
from glueft.inference.progress import PredictionProgress


@pytest.mark.parametrize(("quiet", "shown"), [(False, "8 rows\nwarning: cut\n"), (True, "warning: cut\n")])
def test_quiet_leaves_out_what_was_done(quiet: bool, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    progress = PredictionProgress(quiet=quiet)
    with progress.phase("model"), progress.counting("predicting", 8):
        progress.rows(8)
    progress.inform("8 rows")
    progress.say("warning: cut")
    assert capsys.readouterr().err == shown


def test_wide_letters_leave_the_numbers_in_one_column() -> None:
    answers: Any = SimpleNamespace(probabilities=np.array([[0.25, 0.75]]), labels=["yes"])
    lines = answer_lines(answers, ("日本語", "yes"))
    assert lines == ["yes     0.7500", "日本語  0.2500"]
