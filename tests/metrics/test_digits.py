"""Numbers as text: all digits where a program reads them back, enough of them where people do."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.metrics.digits import number_text, score_text, shortest


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [
        (0.84071, "0.8407", "+0.8407"),
        (0.0, "0.0000", "+0.0000"),
        (-0.00005, "-0.0001", "-0.0001"),
        (0.00001234567, "1.235e-05", "+1.235e-05"),  # the error of tiny scores is not 0.0000
        (-3.2e-17, "-3.2e-17", "-3.2e-17"),
        (1000030.92151, "1000030.9215", "+1000030.9215"),
        (1.0000566845e12, "1e+12", "+1e+12"),
        (float("nan"), "nan", "+nan"),
    ],
)
def test_scores_for_people(value: float, text: str, signed: str) -> None:
    assert (score_text(value), score_text(value, signed=True)) == (text, signed)


def test_scores_are_read_back_as_they_were() -> None:
    scores = np.array([3.8, 1e6 + 0.0625, -0.0, 1e-45, -3.4028235e38, 1 / 3], np.float32)
    texts = [number_text(score) for score in shortest(scores)]
    assert texts[:3] == ["3.8", "1000000.06", "-0"]
    read = np.array(texts, np.float64).astype(np.float32)
    assert read.tobytes() == scores.tobytes()
