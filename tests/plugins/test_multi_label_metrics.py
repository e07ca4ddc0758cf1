"""Metrics of multi-label tasks are scikit-learn's, of rows and of resamples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn

from glueft.metrics import Decided, compute_metrics, known_metrics, value_of

NAMES = [name for name, metric in known_metrics().items() if metric.fits(5, multi_label=True)]


def some_rows(rows: int, labels: int, *, seed: int = 0) -> tuple[Any, Any, Any]:
    """Probabilities, many of them tied, what is decided by them, and references."""
    draws = np.random.default_rng(seed)
    references = (draws.random((rows, labels)) < 0.3).astype(np.int32)
    probabilities = draws.random((rows, labels)).round(1)
    return probabilities, (probabilities >= 0.5).astype(np.int64), references


def expected(probabilities: Any, decided: Any, references: Any) -> dict[str, float]:
    f1 = {
        how: sklearn.f1_score(references, decided, average=how, zero_division=0)
        for how in ("micro", "macro", "weighted")
    }
    micro = {"average": "micro", "zero_division": 0}
    return {
        "f1_macro": f1["macro"],
        "macro_f1": f1["macro"],
        "micro_f1": f1["micro"],
        "weighted_f1": f1["weighted"],
        "roc_auc": np.nan_to_num(sklearn.roc_auc_score(references, probabilities, average="macro")),
        "subset_accuracy": sklearn.accuracy_score(references, decided),
        "hamming_loss": sklearn.hamming_loss(references, decided),
        "micro_precision": sklearn.precision_score(references, decided, **micro),
        "micro_recall": sklearn.recall_score(references, decided, **micro),
        "macro_average_precision": sklearn.average_precision_score(references, probabilities, average="macro"),
        "label_ranking_average_precision": sklearn.label_ranking_average_precision_score(references, probabilities),
    }


@pytest.mark.parametrize(("rows", "labels", "nowhere"), [(60, 5, False), (60, 2, False), (60, 5, True), (2, 3, False)])
def test_they_are_scikit_learn_s(rows: int, labels: int, nowhere: bool) -> None:
    probabilities, decided, references = some_rows(rows, labels)
    if nowhere:  # One label is in no reference, the other one is not predicted either.
        references[:, [1, 3]] = decided[:, 1] = 0
        probabilities[:, 1] = 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = expected(probabilities, decided, references)
    found = compute_metrics(NAMES, Decided(decided, probabilities), references, labels="abcde"[:labels])
    assert found == pytest.approx(wanted, abs=1e-12)
    assert compute_metrics(NAMES, probabilities, references) == found  # 0.5 decides
    of_labels = [name for name in NAMES if not known_metrics()[name].takes_probabilities]
    assert compute_metrics(of_labels, decided, references) == {name: found[name] for name in of_labels}


def test_no_label_anywhere_is_no_score() -> None:
    nothing = np.zeros((3, 4), np.int64)
    found = compute_metrics(NAMES, Decided(nothing, nothing + 0.1), nothing)
    right = {"subset_accuracy": 1.0, "label_ranking_average_precision": 1.0}
    assert found == dict.fromkeys(NAMES, 0.0) | right


@pytest.mark.parametrize("name", NAMES)
def test_each_resample_has_the_value_of_its_rows(name: str) -> None:
    metric = known_metrics()[name]("abc")
    probabilities, decided, references = some_rows(12, 3, seed=1)
    picks = np.random.default_rng(2).integers(0, 12, (20, 12))
    counts = np.array([np.bincount(pick, minlength=12) for pick in picks], float)
    predictions = probabilities if metric.takes_probabilities else decided
    found = metric.resampled(predictions, references.astype(np.int64), counts)
    values = [value_of(metric, predictions[pick], references[pick]) for pick in picks]
    np.testing.assert_allclose(np.nan_to_num(found), values, rtol=0, atol=1e-14)


def test_which_of_them_is_the_share_of_rows_that_are_right() -> None:
    known = known_metrics().values()
    assert [metric.name for metric in known if metric.is_share_right(multi_label=True)] == ["subset_accuracy"]
    assert [metric.name for metric in known if metric.is_share_right(multi_label=False)] == ["accuracy", "micro_f1"]
