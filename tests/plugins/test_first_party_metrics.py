"""The metrics are exact against scikit-learn and scipy, and on cases worked by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from glueft.metrics import compute_metrics

RIGHT = [1, 1, 1, 0, 0, 1]
GUESS = [1, 0, 1, 0, 1, 1]


def test_classification_by_hand() -> None:
    # 3 true positives, 1 false positive, 1 false negative, 1 true negative.
    values = compute_metrics(["accuracy", "f1", "matthews_correlation"], GUESS, RIGHT)
    assert values["accuracy"] == 4 / 6
    assert values["f1"] == 2 * 3 / (2 * 3 + 1 + 1)
    assert values["matthews_correlation"] == pytest.approx((3 * 1 - 1 * 1) / math.sqrt(4 * 4 * 2 * 2))


def test_correlations_by_hand() -> None:
    values = compute_metrics(["pearson", "spearmanr"], [1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    assert values["pearson"] == pytest.approx((-4 / 3 * -1 + -1 / 3 * 1 + 5 / 3 * 0) / math.sqrt(14 / 3 * 2))
    assert values["spearmanr"] == pytest.approx(1 - 6 * 2 / (3 * 8))


def test_three_labels_by_hand() -> None:
    # Gorodkin's coefficient, which GLUE's diagnostic set is scored by. Of 6 rows 4 are right; the labels are given
    # 2, 2 and 2 times and said 3, 2 and 1 times.
    values = compute_metrics(["accuracy", "matthews_correlation"], [0, 0, 1, 1, 2, 0], [0, 0, 1, 2, 2, 1])
    covariance = 4 * 6 - (2 * 3 + 2 * 2 + 2 * 1)
    said, given = 36 - (9 + 4 + 1), 36 - (4 + 4 + 4)
    assert values == {"accuracy": 4 / 6, "matthews_correlation": pytest.approx(covariance / math.sqrt(said * given))}


def test_ranks_that_are_shared_count_by_their_mean() -> None:
    values = compute_metrics(["pearson", "spearmanr"], [0.0, 2.5, 2.5, 5.0], [1.0, 2.0, 3.0, 4.0])
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: both correlations are those of the same deviations, -1.5, 0, 0, 1.5.
    expected = (1.5 * 1.5 * 2) / math.sqrt(1.5**2 * 2 * (1.5**2 * 2 + 0.5**2 * 2))
    assert values == {"pearson": pytest.approx(expected), "spearmanr": pytest.approx(expected)}


def test_one_label_alone_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_metrics(["matthews_correlation"], [1, 1], [1, 1]) == {"matthews_correlation": 0.0}


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_scikit_learn_and_scipy(seed: int) -> None:
    from scipy import stats
    from sklearn import metrics

    random = np.random.default_rng(seed)
    guess, right = random.integers(0, 2, (2, 101))
    values = compute_metrics(["accuracy", "f1", "matthews_correlation"], guess, right)
    assert values == {
        "accuracy": metrics.accuracy_score(right, guess),
        "f1": metrics.f1_score(right, guess),
        "matthews_correlation": metrics.matthews_corrcoef(right, guess),
    }
    scores, truth = random.normal(size=(2, 101)).astype(np.float32)
    values = compute_metrics(["pearson", "spearmanr"], scores, truth)
    assert values["pearson"] == pytest.approx(stats.pearsonr(scores, truth)[0], abs=1e-6)
    assert values["spearmanr"] == pytest.approx(stats.spearmanr(scores, truth)[0], abs=1e-12)


def test_constant_predictions_have_a_value_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert compute_metrics(["pearson", "spearmanr"], [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == {
            "pearson": 0.0,
            "spearmanr": 0.0,
        }
        assert compute_metrics(["f1", "matthews_correlation"], [0, 0, 0], [1, 0, 1]) == {
            "f1": 0.0,
            "matthews_correlation": 0.0,
        }


def test_they_are_evaluate_metrics() -> None:
    import evaluate

    from glueft_metrics.evaluate_classes import CLASSES

    for metric in CLASSES.values():
        assert issubclass(metric, evaluate.Metric)
        assert metric.__doc__


def test_f1_of_either_label_and_their_mean() -> None:
    # Of label 0: 1 true positive, 1 false positive, 1 false negative.
    first, second = 2 / 4, 6 / 8
    assert compute_metrics(["f1"], GUESS, RIGHT, positive_label=0) == {"f1": first}
    assert compute_metrics(["f1"], GUESS, RIGHT) == {"f1": second}
    assert compute_metrics(["f1_macro"], GUESS, RIGHT) == {"f1_macro": (first + second) / 2}
    # A label that is neither given nor said is left out; one that is said alone counts 0.
    assert compute_metrics(["f1_macro"], [0, 0, 2], [0, 0, 0]) == {"f1_macro": pytest.approx((4 / 5 + 0) / 2)}


def test_errors_by_hand() -> None:
    values = compute_metrics(["mae", "rmse"], [1e6 + 1, 1e6, 1e6 + 2], [1e6, 1e6, 1e6])
    assert values == {"mae": 1.0, "rmse": pytest.approx(math.sqrt(5 / 3))}


# Several kinds of difficulty: ties, a label that is never predicted, one that is nowhere.
LABELLED = {
    "two labels": (np.array([0, 1, 1, 0, 1, 0, 1, 1]), np.array([0, 1, 0, 0, 1, 1, 1, 0]), 2),
    "a label that is not predicted": (np.array([0, 1, 1, 0]), np.array([0, 0, 0, 0]), 2),
    "three labels": (np.array([0, 1, 2, 2, 1, 0, 2]), np.array([0, 2, 2, 1, 1, 0, 2]), 3),
    "a label that is nowhere": (np.array([0, 2, 2, 0]), np.array([0, 2, 0, 0]), 3),
}


@pytest.mark.parametrize("case", LABELLED)
def test_metrics_of_labels_are_those_of_scikit_learn(case: str) -> None:
    from sklearn.metrics import f1_score, precision_score, recall_score

    references, predictions, labels = LABELLED[case]
    expected = {
        "macro_f1": f1_score(references, predictions, average="macro", zero_division=0.0),
        "micro_f1": f1_score(references, predictions, average="micro", zero_division=0.0),
        "weighted_f1": f1_score(references, predictions, average="weighted", zero_division=0.0),
    }
    assert compute_metrics(list(expected), predictions, references) == pytest.approx(expected, abs=1e-15)
    for positive in range(2) if labels == 2 else ():
        of_label = {"pos_label": positive, "zero_division": 0.0}
        expected = {
            "precision": precision_score(references, predictions, **of_label),
            "recall": recall_score(references, predictions, **of_label),
        }
        found = compute_metrics(list(expected), predictions, references, labels="ab", positive_label=positive)
        assert found == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("digits", [6, 1])
def test_metrics_of_probabilities_are_those_of_scikit_learn(labels: int, digits: int) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(labels)
    references = random.integers(0, labels, 90)
    shares = random.random((90, labels)).round(digits) + np.eye(labels)[references] * 0.3
    shares /= shares.sum(axis=1, keepdims=True)
    names = "abcd"[:labels]
    area = roc_auc_score(references, shares[:, 1] if labels == 2 else shares, multi_class="ovr")
    assert compute_metrics(["roc_auc"], shares, references, labels=names) == {"roc_auc": pytest.approx(area)}
    for positive in range(2) if labels == 2 else ():
        expected = average_precision_score(references == positive, shares[:, positive])
        found = compute_metrics(["average_precision"], shares, references, labels=names, positive_label=positive)
        assert found == {"average_precision": pytest.approx(expected)}


def test_labels_alone_are_certain_probabilities() -> None:
    references, constant = [0, 1, 1, 0], [1, 1, 1, 1]
    assert compute_metrics(["roc_auc", "average_precision"], constant, references) == {
        "roc_auc": 0.5,
        "average_precision": 0.5,
    }
    # Not defined without a row of each label.
    assert compute_metrics(["roc_auc"], [0, 1], [1, 1]) == {"roc_auc": 0.0}


def test_two_names_of_one_metric() -> None:
    values = compute_metrics(["f1_macro", "macro_f1", "micro_f1", "accuracy"], GUESS, RIGHT)
    assert values["f1_macro"] == values["macro_f1"] and values["micro_f1"] == values["accuracy"]
    values = compute_metrics(["mae", "mean_absolute_error", "rmse", "mean_squared_error"], [1.0, 2, 4], [1.0, 3, 2])
    assert values["mae"] == values["mean_absolute_error"] == 1
    assert values["mean_squared_error"] == pytest.approx(values["rmse"] ** 2) == pytest.approx(5 / 3)
