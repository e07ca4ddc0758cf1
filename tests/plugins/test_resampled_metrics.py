"""The metrics of many resamples at once are their values on the rows of each resample."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest

from compared_rows import label_rows, score_rows
from glueft.metrics import known_metrics, value_of
from glueft.plugin.metric import Metric

# A metric suits regression, or so many labels.
NAMES = {labels: [name for name, metric in known_metrics().items() if metric.fits(labels)] for labels in (0, 2, 3, 7)}
CASES = [(name, labels) for labels, names in NAMES.items() for name in names]


def metric_of(name: str, labels: int, positive_label: int = 1) -> Metric:
    return known_metrics()[name]("abcdefg"[:labels], positive_label)


def drawn(rows: int, resamples: int, seed: int = 0) -> tuple[Any, Any]:
    """The rows of each resample, and how often each row is in it."""
    picks = np.random.default_rng(seed).integers(0, rows, (resamples, rows))
    return picks, np.array([np.bincount(pick, minlength=rows) for pick in picks], float)


def some_rows(metric: Metric, rows: int, *, digits: int = 6) -> tuple[Any, Any]:
    """Predictions as the metric takes them, and references; with few digits many are tied."""
    labels = len(metric.labels)
    if not labels:
        references, predictions, _ = score_rows(rows, seed=3, digits=digits)
        return predictions, references
    references, predictions, _ = label_rows(rows, seed=labels, labels=labels)
    if not metric.takes_probabilities:
        return predictions, references
    shares = np.random.default_rng(1).random((rows, labels)).round(digits) + 0.5 * np.eye(labels)[predictions]
    return shares / shares.sum(axis=1, keepdims=True), references


@pytest.mark.parametrize("digits", [6, 1])
@pytest.mark.parametrize("rows", [4, 60])
@pytest.mark.parametrize(("name", "labels"), CASES)
def test_each_resample_has_the_value_of_its_rows(name: str, labels: int, rows: int, digits: int) -> None:
    metric = metric_of(name, labels, positive_label=digits % 2)
    predictions, references = some_rows(metric, rows, digits=digits)
    picks, counts = drawn(rows, 10)
    found = metric.resampled(predictions, references, counts)
    assert found.shape == (10,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of resamples with one label
        expected = [value_of(metric, predictions[pick], references[pick]) for pick in picks]
    # Scores are measured as float32.
    np.testing.assert_allclose(np.nan_to_num(found), expected, rtol=0, atol=1e-14 if labels else 1e-6)


@pytest.mark.parametrize(("name", "labels"), CASES)
def test_the_general_way_gives_the_same(name: str, labels: int) -> None:
    metric = metric_of(name, labels)
    predictions, references = some_rows(metric, 30)
    counts = drawn(30, 5)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        general = Metric.resampled(metric, predictions, references, counts)
    found = metric.resampled(predictions, references, counts)
    np.testing.assert_allclose(np.nan_to_num(found), np.nan_to_num(general), rtol=0, atol=1e-6)


def test_the_general_way_serves_a_metric_of_a_plugin() -> None:
    class WithinHalf(Metric):
        """Share of scores that are off by at most a half."""

        name = "within_half"
        suits = "scores"

        def value(self, predictions: Any, references: Any) -> float:
            return float((abs(predictions - references) <= 0.5).mean())

    counts = np.array([[1.0, 1, 1], [3, 0, 0], [0, 2, 1]])
    found = WithinHalf().resampled(np.array([1.0, 2, 3]), np.array([1.0, 4, 3.5]), counts)
    assert found.tolist() == [2 / 3, 1, 1 / 3]


@pytest.mark.parametrize("labels", [2, 3])
def test_rows_of_one_kind_may_be_counted_together(labels: int) -> None:
    references, predictions, _ = label_rows(200, seed=5, labels=labels)
    kinds = Counter(zip(references.tolist(), predictions.tolist(), strict=True))
    together = (np.array(column) for column in zip(*kinds, strict=True))
    right, predicted = together
    for name in NAMES[labels]:
        metric = metric_of(name, labels)
        if not metric.takes_probabilities:
            whole = metric.resampled(predictions, references, np.ones((1, 200)))
            assert metric.resampled(predicted, right, np.array([list(kinds.values())], float)) == pytest.approx(whole)


def test_what_a_resample_leaves_undefined_is_nan() -> None:
    references, predictions = np.array([0, 1, 1]), np.array([0, 1, 0])
    # Three times the first row; then the first two; then all three.
    counts = np.array([[3.0, 0, 0], [2, 1, 0], [1, 1, 1]])
    found = {name: metric_of(name, 2).resampled(predictions, references, counts) for name in ("accuracy", "f1")}
    assert found["accuracy"].tolist() == [1, 1, 2 / 3]
    assert np.isnan(found["f1"]).tolist() == [True, False, False] and found["f1"][1:].tolist() == [1, 2 / 3]
    for name in ("precision", "recall", "matthews_correlation"):
        assert np.isnan(metric_of(name, 2).resampled(predictions, references, counts)).tolist() == [True, False, False]
    shares = np.eye(2)[predictions]
    assert np.isnan(metric_of("roc_auc", 2).resampled(shares, references, counts)).tolist() == [True, False, False]
    for name in ("pearson", "spearmanr"):
        values = metric_of(name, 0).resampled(np.array([0.1, 0.1, 0.3]), np.array([4.0, 2, 1]), counts)
        assert np.isnan(values).tolist() == [True, True, False]


def test_a_constant_far_from_zero_is_a_constant() -> None:
    counts = drawn(50, 20)[1]
    references = score_rows(50, seed=0)[0]
    for constant in (0.1, 1e6 + 0.1, 3.333333):
        for name in ("pearson", "spearmanr"):
            assert np.isnan(metric_of(name, 0).resampled(np.full(50, constant), references, counts)).all()
    barely = np.full(50, 4.0)
    barely[::2] += 1e-6  # the least that a predictions file can tell apart
    assert not np.isnan(metric_of("pearson", 0).resampled(barely, references, counts)).any()


@pytest.mark.parametrize("scale", [1e-20, 1, 1e6])
def test_scores_of_any_scale_give_what_the_run_reports(scale: float) -> None:
    references, predictions, _ = (column.astype(np.float32) * np.float32(scale) for column in score_rows(101, seed=1))
    for name in NAMES[0]:
        metric = metric_of(name, 0)
        (found,) = metric.resampled(predictions.astype(float), references.astype(float), np.ones((1, 101)))
        assert found == pytest.approx(value_of(metric, predictions, references), rel=1e-12, abs=0)
