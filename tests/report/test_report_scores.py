"""The numbers of a report against ones worked out by hand or by SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, precision_recall_fscore_support

from glueft.page.curves import curves
from glueft.page.plot import style
from glueft.page.texts import SplitTexts
from glueft.page.words import label_texts
from glueft.plugin.wilson import wilson
from glueft.report.label_table import label_table
from glueft.report.prediction_plots import sureness
from glueft.report.rows import row_list
from glueft.report.scores import (
    Classified,
    Regressed,
    calibration,
    classified,
    confusion,
    label_sets,
    regressed,
    surest_wrong,
    worst,
)
from glueft.report.slices import by_label, by_length, by_score, leak_text, slices_plot
from glueft.report.threshold_plots import Decided, choice_of_labels, steps, threshold_curve
from glueft.report.training_plots import best_text
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
    # What is drawn is what is summed: the area below the line.
    places, values = steps(curve.recall, curve.precision)
    assert (np.diff(places) * (values[1:] + values[:-1]) / 2).sum() == pytest.approx(curve.average_precision)


def test_of_several_labels_one_is_drawn_and_chosen() -> None:
    random = np.random.default_rng(1)
    true, shares = random.random((2, 40)) < 0.4, random.random((2, 40))
    of = [Decided.of(f"<{n}>", shares[n], shares[n] >= 0.5, true[n], 0.5) for n in range(2)]
    with style():
        drawn = choice_of_labels("split-1", [each for each in of if each])
    precision, recall, *_ = precision_recall_fscore_support(true[1], shares[1] >= 0.5, average="binary")
    assert f"precision is {precision:.3f} and recall {recall:.3f}" in drawn.choices[1].caption
    for plot in drawn.plots:
        assert plot.svg.count('data-choice="0"') == plot.svg.count('data-choice="1" hidden="hidden"') > 2
        assert 'id="split-1-recall-choice' not in plot.svg and plot.svg.count('hidden="hidden"') < 6


@pytest.mark.parametrize(
    ("confidence", "right", "told"),
    [
        (np.full(100, 0.95), 70, ": it is more sure than it should be."),
        (np.full(20, 0.9), 18, ": a difference that 20 rows cannot tell from none."),
        (np.full(2000, 0.9), 1800, ": about as sure as it should be."),
        # As sure on average; but those that it is unsure of are right, and those that it is sure of are wrong.
        (np.repeat([0.6, 1.0], 1000), 1600, ": that is the same on average, and not at each confidence"),
        (np.full(100, 0.9), 50, ", not clearly more than always the commonest answer"),
        (np.full(100, 0.9), 20, ", less than always the commonest answer"),
    ],
)
def test_a_model_is_said_to_be_sure_as_far_as_the_rows_tell(
    confidence: np.ndarray[Any, Any], right: int, told: str
) -> None:
    true = np.arange(len(confidence)) % 2
    scores = Classified(("a", "b"), true, np.where(np.arange(len(true)) < right, true, 1 - true), confidence)
    assert told in sureness(scores, calibration(confidence, scores.true == scores.predicted)[0])


def test_every_cell_of_a_drawn_matrix_has_a_row_to_lead_to() -> None:
    """Also of cells whose rows are neither the surest mistakes nor the least sure right ones."""
    random = np.random.default_rng(2)
    true, predicted = random.integers(0, 20, (2, 2000))
    scores = Classified(tuple(map(str, range(20))), true, predicted, random.random(2000))
    groups = {row.groups[1:] for row in row_list("split-1", scores, SplitTexts()).rows}
    assert groups == {(str(a), str(b)) for a, b in zip(true, predicted, strict=True)}


def test_one_row_is_told_as_one() -> None:
    scores = Classified(("a", "b"), np.array([0]), np.array([1]), np.array([0.9]))
    summary = row_list("split-1", scores, SplitTexts()).summary
    assert summary == "1 of 1 row is wrong. Listed is the only one wrong, the surest first."


def test_labels_that_are_shown_alike_have_their_number() -> None:
    long = "w" * 100
    shown = label_texts([long + "a", "short", long + "b"])
    assert [text[-10:] for text in shown] == [" (label 0)", "short", " (label 2)"] and len(shown[0]) <= 80


def test_the_best_epoch_is_one_with_a_value() -> None:
    entries = [{"epoch": epoch} for epoch in (1, 2, 3)]
    nan = math.nan
    assert best_text("r", "highest", entries, [nan, 0.2, 0.1], ".1f") == (
        "r was highest after epoch 2: 0.2; after the last it was 0.1."
    )
    assert best_text("r", "highest", entries, [0.3, 0.2, nan], ".1f").endswith("; after the last it is not defined.")
    assert best_text("r", "highest", entries, [nan] * 3, ".1f") == "r is not defined after any epoch."
    assert best_text("r", "highest", entries, [0.5] * 3, ".1f") == "r was 0.5 after each epoch."


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


@pytest.mark.usefixtures("undrawn")
def test_slices_by_label_are_recalls_and_by_score_mean_errors() -> None:
    assert [(each.name, each.rows, each.value) for each in by_label(LONG)] == [("a", 10, 0.5), ("b", 10, 0.6)]
    scores = Regressed(np.arange(1.0, 21.0), np.arange(1.0, 21.0) + np.repeat([0.5, -1.0], 10))
    found = by_score(scores)
    assert [(each.name, each.value) for each in (found[0], found[-1])] == [
        ("1.00 to 4.00", 0.5),
        ("17.00 to 20.00", 1.0),
    ]
    assert found[0].interval == (0.5, 0.5)
    # One error has no interval.
    alone = by_score(Regressed(true := np.repeat([1.0, 2.0, 3.0], [1, 10, 9]), true + np.repeat([0.5, 0.25], [1, 19])))
    assert [(each.rows, each.interval) for each in alone] == [(1, None), (19, (0.25, 0.25))]
    table = slices_plot("by-score", "By true score", alone, Regressed(np.array([1.0, 2.0]), np.zeros(2)), "score").table
    assert table is not None and table.rows[0] == ("1.00", "1", "0.500", "")


def test_what_leaks_is_told_with_what_it_does() -> None:
    told = leak_text(LONG, 2, [0, 10])
    assert told == "2 of 20 rows stand in train too: of them 50.0 % are right, of the others 55.6 %."
    assert leak_text(LONG, 3, [0, 10]).endswith("they do not measure how the model does on new texts.")
    assert leak_text(LONG, 0, []) == ""
    alone = Regressed(np.array([1.0]), np.array([2.0]))
    assert leak_text(alone, 1, [0]).startswith("The only row stands in train too: ")


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
