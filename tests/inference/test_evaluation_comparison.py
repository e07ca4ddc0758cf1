"""Predictions of now beside those of the run's file, which an earlier version has written with six decimals."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.inference.evaluation_comparison import compare_predictions
from glueft.metrics import softmax
from glueft.runs.predictions import Predictions
from glueft.text import number_text, shortest


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_scores_of_the_file_of_either_version(scale: float) -> None:
    logits = (np.random.default_rng(0).normal(2, 1, (50, 1)) * scale).astype(np.float32)
    ids = [str(row) for row in range(50)]
    for texts in (
        [number_text(score) for score in shortest(logits[:, 0])],
        [f"{score:.6f}" for score in logits[:, 0]],
    ):
        own = Predictions(ids, texts, texts, np.empty((50, 0)))
        assert compare_predictions(own, logits, []) == (0, 0.0)
        others, apart = compare_predictions(own, logits * np.float32(1 + 1e-6), [])
        assert others == 0 and apart < 1e-5 * scale
        assert apart > 0 or scale < 1


def test_probabilities_of_the_file_of_either_version() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 3)).astype(np.float32)
    labels = list("abc")
    said = [labels[index] for index in logits.argmax(axis=1)]
    for shares in (softmax(logits), np.array([[float(f"{share:.6f}") for share in row] for row in softmax(logits)])):
        own = Predictions([str(row) for row in range(50)], said, said, shares)
        assert compare_predictions(own, logits, labels) == (0, 0.0)
        assert compare_predictions(own, logits[:, ::-1], labels)[0] > 0
