"""Precision, recall and F1 of each label beside scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from glueft.metrics.per_label import LabelScore, label_scores


def _as_sklearn(scores: list[LabelScore]) -> np.ndarray:
    return np.array([(score.precision, score.recall, score.f1, score.support) for score in scores])


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_of_labels_are_those_of_scikit_learn(multi_label):
    draw = np.random.default_rng(3)
    labels = ("a", "b", "c", "never")
    shape, high = ((80, 4), 2) if multi_label else ((80,), 3)
    predictions, references = draw.integers(0, high, shape), draw.integers(0, high, shape)
    if multi_label:
        predictions[:, 3] = references[:, 3] = 0
    known = precision_recall_fscore_support(
        references, predictions, labels=None if multi_label else range(4), zero_division=0
    )
    np.testing.assert_allclose(_as_sklearn(label_scores(predictions, references, labels)), np.array(known).T)
    assert label_scores(predictions, references, labels)[3] == LabelScore("never", 0, 0, 0)


@pytest.mark.parametrize(
    ("predictions", "references"),
    [([0, 1, 1], [0, 1, -1]), ([[1, 0], [0, 1], [1, 1]], [[1, 0], [0, 1], [-1, -1]])],
)
def test_rows_without_a_reference_do_not_count(predictions, references):
    scores = label_scores(np.array(predictions), np.array(references), ("a", "b"))
    assert scores == [LabelScore("a", 1, 1, 1), LabelScore("b", 1, 1, 1)]
