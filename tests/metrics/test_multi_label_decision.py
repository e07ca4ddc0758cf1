"""Decisions of a multi-label task: sigmoid, a threshold a label, and both fitted as a search of all would."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from glueft.metrics import compute_metrics, known_metrics
from glueft.metrics.decision import DecisionRule, Fit, sigmoid, unscaled
from glueft.metrics.tuning import log_loss, tune_temperature, tune_thresholds

LABELS = ("a", "b", "c", "d")


def rows(seed: int, count: int = 50) -> tuple[Any, Any]:
    """Logits (rows, labels) that tell something of labels of different frequency."""
    random = np.random.default_rng(seed)
    references = (random.random((count, len(LABELS))) < [0.5, 0.2, 0.1, 0.8]).astype(np.int64)
    logits = random.normal(0, 1.5, references.shape) + 2 * references + [-2, -1, 0, 1]
    return logits.astype(np.float32), references


def test_each_label_is_decided_by_itself_from_its_threshold_on() -> None:
    logits, _ = rows(0)
    plain = DecisionRule(multi_label=True)
    decided = plain.decide(logits)
    assert np.allclose(decided.probabilities, 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=1e-15)
    assert (decided.labels == (logits >= 0)).all() and plain.is_plain and decided.labels.dtype == np.int64
    exact = tuple(decided.probabilities[7].tolist())
    rule = DecisionRule(multi_label=True, thresholds=exact)
    assert rule.decide(logits).labels[7].tolist() == [1, 1, 1, 1] and not rule.is_plain and rule.plain == plain
    above = DecisionRule(multi_label=True, thresholds=tuple(np.nextafter(exact, 1).tolist()))
    assert above.decide(logits).labels[7].tolist() == [0, 0, 0, 0]


def test_probabilities_of_any_logit_are_numbers() -> None:
    shares = sigmoid(np.array([[-1e4, -40.0, 0.0, 40.0, 1e4]], np.float32))
    assert np.isfinite(shares).all() and shares[0, 0] == 0 and shares[0, 2] == 0.5 and shares[0, 4] == 1
    assert shares[0, 1] == pytest.approx(np.exp(-40), rel=1e-12)
    logits, _ = rows(1)
    assert np.allclose(unscaled(sigmoid(logits, 2.5), 2.5, multi_label=True), sigmoid(logits), atol=1e-12)
    assert unscaled(shares, 2.0, multi_label=True)[0, [0, 2, 4]].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("name", ["f1", "accuracy", "matthews_correlation"])
def test_no_thresholds_are_better_than_the_tuned_ones(name: str) -> None:
    logits, references = rows(2, 20)
    shares = sigmoid(logits)
    tuned = tune_thresholds(shares, references, known_metrics()[name], LABELS)
    for label in range(len(LABELS)):

        def value(threshold: float, label: int = label) -> float:
            called = (shares[:, label] >= threshold).astype(np.int64)
            return compute_metrics([name], called, references[:, label], labels=("no", "yes"))[name]

        best = max(value(threshold) for threshold in [*shares[:, label], 2.0])
        assert value(tuned[label]) == pytest.approx(best, abs=1e-12)
        assert tuned[label] == 0.5 or tuned[label] not in shares[:, label]


@pytest.mark.slow
def test_the_tuned_macro_f1_is_the_best_of_all_combinations() -> None:
    f1_score = pytest.importorskip("sklearn.metrics").f1_score
    logits, references = rows(3, 12)
    logits, references = logits[:, :3], references[:, :3]
    shares = sigmoid(logits)
    tuned = tune_thresholds(shares, references, known_metrics()["f1"], LABELS[:3])

    def value(thresholds: Any) -> float:
        given = shares >= np.asarray(thresholds)
        return float(f1_score(references, given, average="macro", zero_division=0))

    every = itertools.product(*([*column, 2.0] for column in shares.T))
    best = max(value(thresholds) for thresholds in every)
    assert value(tuned) == pytest.approx(best) and best > value([0.5] * 3)


def test_a_label_that_no_row_has_keeps_its_threshold() -> None:
    logits, references = rows(4)
    references[:, 1] = 0
    tuned = tune_thresholds(sigmoid(logits), references, known_metrics()["accuracy"], LABELS)
    assert tuned[1] == 0.5 and len({*tuned}) > 1


def test_no_temperature_gives_a_lower_log_loss() -> None:
    logits, references = rows(5)
    logits = 4 * logits
    found = tune_temperature(logits, references)
    assert found is not None and found > 1
    shares = sigmoid(logits, found)
    right = np.where(references == 1, shares, 1 - shares)
    least = log_loss(logits, references, found)
    assert least == pytest.approx(-np.log(right).mean())
    grid = found * np.exp(np.linspace(-2, 2, 401))
    assert all(least <= log_loss(logits, references, each) + 1e-15 for each in grid)
    assert tune_temperature(logits, (logits >= 0).astype(np.int64)) is None


def test_a_rule_is_told_in_words() -> None:
    fit = Fit(("threshold",), "f1", "validation", 60, "")
    rule = DecisionRule(1.0, None, 1, fit, True, (0.31, 0.5, 0.125, 0.9))
    assert rule.text(LABELS) == (
        '"a" from a probability of 0.31 on, "b" from 0.5, "c" from 0.125, "d" from 0.9 (tuned for each label\'s f1); '
        "tuned on the 60 validation rows"
    )
    assert (
        DecisionRule(multi_label=True, thresholds=(0.3,) * 4).text(LABELS) == "each label from a probability of 0.3 on"
    )
    best = DecisionRule(fit=fit, multi_label=True).text(LABELS)
    assert best.startswith("each label from a probability of 0.5 on (tuned for each label's f1); ")
    many = tuple(f"label {number}" for number in range(30))
    assert " and 20 more labels" in DecisionRule(multi_label=True, thresholds=(0.1,) * 29 + (0.2,)).text(many)
    assert DecisionRule(2.0, multi_label=True).text(LABELS) == "logits divided by a temperature of 2"
