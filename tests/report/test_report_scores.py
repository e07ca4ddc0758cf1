"""The numbers of a report against ones worked out by hand or by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, precision_recall_fscore_support

from glueft.page.curves import curves
from glueft.page.texts import SplitTexts
from glueft.report.label_table import label_table
from glueft.report.scores import (
    Classified,
    Regressed,
    calibration,
    classified,
    confusion,
    label_sets,
    regressed,
    surest_wrong,
    wilson,
    worst,
)
from glueft.report.slices import by_label, by_length, by_score, leak_text
from glueft.report.threshold_plots import threshold_curve
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


def test_precision_and_recall_over_thresholds_are_scikit_learn_s() -> None:
    random = np.random.default_rng(0)
    true = random.random(300) < 0.3
    # Two digits: many rows have the same probability, and get the label together.
    probabilities = np.clip(0.3 * true + random.normal(0.4, 0.2, 300), 0, 1).round(2)
    curve = threshold_curve(probabilities, true)
    assert curve is not None
    precision, recall, thresholds = precision_recall_curve(true, probabilities)
    assert curve.thresholds[::-1] == pytest.approx(thresholds)
    assert (curve.precision[::-1], curve.recall[::-1]) == (pytest.approx(precision[:-1]), pytest.approx(recall[:-1]))
    assert curve.average_precision == pytest.approx(average_precision_score(true, probabilities))
    assert curve.share == true.mean()
    at_half = f1_score(true, probabilities >= 0.5)
    assert curve.f1[(curve.thresholds >= 0.5).sum() - 1] == pytest.approx(at_half)
    assert threshold_curve(probabilities, np.ones(300, bool)) is None


# Twenty rows of 1 to 20 words, in two columns; the ten longest are wrong but for the last.
LONG = Classified(
    ("a", "b"),
    np.array([0, 1] * 10),
    np.array([0, 1] * 5 + [1, 0] * 4 + [1, 1]),
    np.full(20, 0.75),
)
WORDS = SplitTexts(("first", "second"), (["word"] * 20, ["word " * length for length in range(20)]))


def test_slices_by_length_have_about_as_many_rows_each() -> None:
    found = by_length(LONG, WORDS)
    assert [each.name for each in found] == [
        "1 to 4 words", "5 to 8 words", "9 to 12 words", "13 to 16 words", "17 to 20 words"
    ]  # fmt: skip
    assert [(each.rows, each.value) for each in found] == [(4, 1.0), (4, 1.0), (4, 0.5), (4, 0.0), (4, 0.25)]
    assert found[4].interval == pytest.approx(wilson(1, 4))
    # Without spaces the characters count.
    together = SplitTexts(("text",), (["字" * length for length in range(1, 21)],))
    assert by_length(LONG, together)[0].name == "1 to 4 characters"
    assert by_length(LONG, SplitTexts(missing="gone")) == []
    assert by_length(LONG, SplitTexts(("text",), (["same"] * 20,))) == []


def test_slices_by_label_are_recalls_and_by_score_mean_errors() -> None:
    assert [(each.name, each.rows, each.value) for each in by_label(LONG)] == [("a", 10, 0.5), ("b", 10, 0.6)]
    scores = Regressed(np.arange(1.0, 21.0), np.arange(1.0, 21.0) + np.repeat([0.5, -1.0], 10))
    found = by_score(scores)
    assert [(each.name, each.value) for each in (found[0], found[-1])] == [
        ("1.00 to 4.00", 0.5),
        ("17.00 to 20.00", 1.0),
    ]


def test_what_leaks_is_told_with_what_it_does() -> None:
    told = leak_text(LONG, 2, [0, 10])
    assert told == "2 of 20 rows stand in train too: of them 50.0 % are right, of the others 55.6 %."
    assert leak_text(LONG, 3, [0, 10]).endswith("they do not measure how the model does on new texts.")
    assert leak_text(LONG, 0, []) == ""


def test_the_table_of_labels_has_their_mean_and_thresholds() -> None:
    table = label_table(LONG.predicted, LONG.true, LONG.labels)
    assert table.columns == ("label", "precision", "recall", "F1", "rows with it", "predicted with it")
    assert table.rows[0] == ("a", "0.556", "0.500", "0.526", "10", "9")
    precision, recall, f1, _ = precision_recall_fscore_support(LONG.true, LONG.predicted, average="macro")
    assert table.rows[-1] == (
        "mean of the labels", f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", "20", "20"
    )  # fmt: skip
    sets = np.array([[1, 0], [1, 1]])
    assert label_table(sets, sets, ("a", "b"), (0.25, 0.5)).rows[0] == (
        "a", "1.000", "1.000", "1.000", "2", "2", "0.25"
    )  # fmt: skip
