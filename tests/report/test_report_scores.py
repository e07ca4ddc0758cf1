"""The numbers of a report against ones worked out by hand or by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from glueft.page.curves import curves
from glueft.report.scores import calibration, classified, confusion, label_sets, regressed, surest_wrong, wilson, worst
from glueft.runs.predictions import Predictions

THREE = Predictions(
    ids=["0", "1", "2", "3", "4"],
    labels=["a", "b", "b", "", "c"],
    predictions=["a", "a", "b", "c", "b"],
    probabilities=np.array([[0.8, 0.1, 0.1], [0.6, 0.4, 0], [0.2, 0.5, 0.3], [0, 0, 1], [0.1, 0.9, 0]]),
)


def test_confusion_counts_labelled_rows_by_true_and_predicted_label() -> None:
    scores = classified(THREE, ("a", "b", "c"))
    assert confusion(scores).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert scores.confidence.tolist() == [0.8, 0.6, 0.5, 1.0, 0.9]


def test_the_surest_mistakes_come_first() -> None:
    scores = classified(THREE, ("a", "b", "c"))
    assert worst(scores, 10) == ([4, 1], 2)
    assert worst(scores, 1) == ([4], 2)


def test_of_several_labels_a_row_is_wrong_by_its_surest_wrong_label() -> None:
    texts = ['["a"]', "[]", '["a","b"]', ""], ['["a"]', '["b"]', '["a"]', '["b"]']
    shares = np.array([[0.9, 0.2], [0.1, 0.6], [0.7, 0.02], [0.5, 0.99]])
    scores = label_sets(Predictions(["0", "1", "2", "3"], *texts, shares), ("a", "b"))
    assert worst(scores, 10) == ([2, 1], 2) and scores.labelled.tolist() == [True, True, True, False]
    assert surest_wrong(scores).tolist() == [0, 0.6, 0.98, 0]
    each = scores.decisions()
    assert each.labelled.sum() == 6 and each.wrong.sum() == 2 and each.unit == "label decisions"
    assert each.confidence[:6].tolist() == [0.9, 0.8, 0.9, 0.6, 0.7, 0.98]


def test_the_largest_errors_come_first_and_unlabelled_rows_never() -> None:
    scores = regressed(Predictions(["0", "1", "2"], ["1", "", "4"], ["1.5", "9", "2"], np.empty((3, 0))))
    assert worst(scores, 10) == ([2, 0], 2)
    assert scores.error[[0, 2]].tolist() == [0.5, -2.0] and math.isnan(scores.true[1])


def test_the_calibration_error_is_the_one_of_its_formula() -> None:
    # Bin (0.5, 0.6]: 2 rows, mean confidence 0.575, 1 right; (0.9, 1]: 2 rows, 0.975, both right; 1 row on 0.3: wrong.
    confidence = np.array([0.55, 0.6, 0.95, 1.0, 0.3])
    bins, error = calibration(confidence, np.array([True, False, True, True, False]))
    assert error == pytest.approx((2 * abs(0.5 - 0.575) + 2 * abs(1 - 0.975) + abs(0 - 0.3)) / 5)
    assert [(round(item.low, 1), item.rows) for item in bins if item.rows] == [(0.2, 1), (0.5, 2), (0.9, 2)]
    assert sum(item.rows for item in bins) == 5


@pytest.mark.parametrize(("hits", "rows"), [(0, 7), (3, 7), (7, 7), (340, 408)])
def test_intervals_are_wilson_s(hits: int, rows: int) -> None:
    expected = binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    assert wilson(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_loss_between_two_entries_follows_from_the_means_so_far() -> None:
    # Steps lose 4, 2, 3 in the first epoch and 2, 2, 8 in the second, which stops after its third step.
    history = [
        {"kind": "step", "step": 1, "loss": 4.0, "learning_rate": 1e-5},
        {"kind": "mine", "anything": 1},
        {"kind": "step", "step": 3, "loss": 3.0, "learning_rate": 2e-5},
        {
            "kind": "epoch",
            "epoch": 1,
            "step": 3,
            "loss": 3.0,
            "validation_loss": 1.0,
            "metrics": {"f1": 0.5},
            "seconds": 1,
        },
        {
            "kind": "mid_epoch",
            "epoch": 1.667,
            "step": 5,
            "loss": 2.0,
            "validation_loss": 0.9,
            "metrics": {"f1": 0.6},
            "seconds": 1,
        },
        {"kind": "step", "step": 5, "loss": 2.0, "learning_rate": 1e-5},
        {"kind": "step", "step": 6, "loss": 4.0, "learning_rate": 0.0},
    ]
    found = curves(history)
    assert found.loss == [(1, 4.0), (3, pytest.approx(2.5)), (5, pytest.approx(2.0)), (6, pytest.approx(8.0))]
    assert found.learning_rate == [(1, 1e-5), (3, 2e-5), (5, 1e-5), (6, 0.0)]
    assert (found.last_step, found.metrics, len(found.epochs)) == (6, ["f1"], 1)
    assert [entry["epoch"] for entry in found.evaluations] == [1, 1.667]
