"""The metrics of many resamples at once are those of `glueft.metrics` on each resample, row by row."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn

from comparison_answers import label_rows, score_rows
from glueft.compare.resampled_metrics import label_metrics, score_metrics
from glueft.metrics import compute_metrics


def drawn(rows: int, resamples: int, seed: int = 0) -> tuple[Any, Any]:
    """The rows of each resample, and how often each row is in it."""
    picks = np.random.default_rng(seed).integers(0, rows, (resamples, rows))
    return picks, np.array([np.bincount(pick, minlength=rows) for pick in picks], float)


@pytest.mark.parametrize("labels", [2, 3, 7])
@pytest.mark.parametrize("rows", [4, 60])
def test_label_metrics(labels: int, rows: int) -> None:
    given, said, _ = label_rows(rows, seed=labels, labels=labels)
    picks, counts = drawn(rows, 50)
    names = ["accuracy", "matthews_correlation", "f1_macro", *["f1"] * (labels == 2)]
    positive = rows % 3 % 2  # of 60 rows the first label, of 4 the second
    found = label_metrics(names, counts, given, said, labels, positive_label=positive)
    reference = {
        "accuracy": sklearn.accuracy_score,
        "matthews_correlation": sklearn.matthews_corrcoef,
        "f1": lambda right, guess: sklearn.f1_score(right, guess, pos_label=positive, zero_division=0.0),
        "f1_macro": lambda right, guess: sklearn.f1_score(right, guess, average="macro", zero_division=0.0),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of resamples with one label
        for name in names:
            expected = [reference[name](given[pick], said[pick]) for pick in picks]
            np.testing.assert_allclose(found[name].values, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("digits", [6, 0])
@pytest.mark.parametrize("rows", [5, 80])
def test_score_metrics(rows: int, digits: int) -> None:
    given, *said = score_rows(rows, seed=3, digits=digits)
    picks, counts = drawn(rows, 50)
    found = score_metrics(["pearson", "spearmanr"], counts, given, said)
    for run in range(2):
        for name, reference in (("pearson", stats.pearsonr), ("spearmanr", stats.spearmanr)):
            scores = found[run][name]
            for pick, value, defined in zip(picks, scores.values, scores.defined, strict=True):
                right, guess = given[pick], said[run][pick]
                assert defined == (min(len(set(right)), len(set(guess))) > 1)
                expected = reference(right, guess)[0] if defined else 0.0
                assert value == pytest.approx(expected, abs=1e-12)


def test_errors_of_scores() -> None:
    given, *said = score_rows(80, seed=3)
    picks, counts = drawn(80, 20)
    found = score_metrics(["mae", "rmse"], counts, given, said)
    for run in range(2):
        for name, power in (("mae", 1), ("rmse", 2)):
            errors = [np.mean(np.abs(given[pick] - said[run][pick]) ** power) ** (1 / power) for pick in picks]
            np.testing.assert_allclose(found[run][name].values, errors, rtol=1e-12)
            assert found[run][name].defined.all()


def test_the_rows_themselves_give_what_the_run_reports() -> None:
    given, said, _ = label_rows(101, seed=1)
    once = np.ones((1, 101))
    names = ["accuracy", "f1", "f1_macro", "matthews_correlation"]
    for positive in (0, 1):
        scores = label_metrics(names, once, given, said, 2, positive_label=positive)
        values = {name: score.values[0] for name, score in scores.items()}
        assert values == pytest.approx(compute_metrics(names, said, given, positive_label=positive), abs=1e-15)
    names = ["pearson", "spearmanr", "mae", "rmse"]
    for scale in (1e-20, 1, 1e6):
        right, guess, _ = ((column * scale).astype(np.float32).astype(float) for column in score_rows(101, seed=1))
        found = score_metrics(names, once, right, [guess])[0]
        values = {name: scores.values[0] for name, scores in found.items()}
        assert values == pytest.approx(compute_metrics(names, guess, right), rel=1e-12)


def test_rows_of_one_kind_may_be_counted_together() -> None:
    given, said, _ = label_rows(200, seed=5, labels=3)
    kinds = Counter(zip(given.tolist(), said.tolist(), strict=True))
    together = label_metrics(
        ["accuracy", "matthews_correlation"],
        np.array([list(kinds.values())], float),
        np.array([kind[0] for kind in kinds]),
        np.array([kind[1] for kind in kinds]),
        3,
    )
    apart = label_metrics(["accuracy", "matthews_correlation"], np.ones((1, 200)), given, said, 3)
    for name in together:
        assert together[name].values == pytest.approx(apart[name].values, abs=1e-15)


def test_what_a_resample_leaves_undefined_counts_as_nought_and_is_said() -> None:
    given, said = np.array([0, 1, 1]), np.array([0, 1, 0])
    # Three times the first row; then the first two; then all three.
    counts = np.array([[3.0, 0, 0], [2, 1, 0], [1, 1, 1]])
    found = label_metrics(["accuracy", "f1", "matthews_correlation"], counts, given, said, 2)
    assert found["accuracy"].defined.all()
    assert found["f1"].values.tolist() == [0, 1, pytest.approx(2 / 3)]
    assert found["f1"].defined.tolist() == found["matthews_correlation"].defined.tolist() == [False, True, True]
    scores = score_metrics(["pearson", "spearmanr"], counts, np.array([4.0, 2, 1]), [np.array([0.1, 0.1, 0.3])])[0]
    for name in ("pearson", "spearmanr"):
        assert scores[name].defined.tolist() == [False, False, True]
        assert scores[name].values.tolist()[:2] == [0, 0]


def test_a_constant_far_from_nought_is_a_constant() -> None:
    counts = drawn(50, 20)[1]
    given = score_rows(50, seed=0)[0]
    for constant in (0.1, 1e6 + 0.1, 3.333333):
        found = score_metrics(["pearson", "spearmanr"], counts, given, [np.full(50, constant)])[0]
        assert not found["pearson"].defined.any() and not found["spearmanr"].defined.any()
    barely = np.full(50, 4.0)
    barely[::2] += 1e-6  # the least that a predictions file can tell apart
    assert score_metrics(["pearson"], counts, given, [barely])[0]["pearson"].defined.all()
