"""How labels are decided: probabilities at a temperature, a threshold, and both fitted as a search of all would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from glueft.metrics import compute_metrics, known_metrics, rows_of, softmax
from glueft.metrics.decision import PLAIN, DecisionRule, Fit, effect_of_fit, unscaled
from glueft.metrics.tuning import TunedThreshold, log_loss, tune_temperature, tune_threshold
from glueft.plugin.metric import Metric

LABELS = ("no", "yes")


def rows(seed: int, count: int = 60, labels: int = 2, *, coarse: bool = False) -> tuple[Any, Any]:
    """Logits that tell something of the labels; coarse ones have many ties."""
    random = np.random.default_rng(seed)
    references = random.integers(0, labels, count)
    logits = random.normal(0, 2, (count, labels))
    logits[np.arange(count), references] += 1
    return (np.round(logits) if coarse else logits).astype(np.float32), references


def test_the_plain_rule_is_the_largest_logit_and_softmax_to_the_last_bit() -> None:
    logits, _ = rows(0, 500, 3)
    logits[0] = 1.0
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    decided = PLAIN.decide(logits)
    assert (decided.labels == logits.argmax(axis=1)).all()
    assert (decided.probabilities == powers / powers.sum(axis=1, keepdims=True)).all()
    scores = PLAIN.predictions(logits[:, :1], ())
    assert isinstance(scores, np.ndarray) and (scores == logits[:, 0]).all()


@pytest.mark.parametrize("temperature", [0.01, 0.5, 3.0, 100.0])
def test_a_temperature_moves_no_label(temperature: float) -> None:
    logits, _ = rows(1, 500, 3, coarse=True)
    decided = DecisionRule(temperature).decide(logits)
    assert (decided.labels == logits.argmax(axis=1)).all()
    assert (decided.probabilities.argmax(axis=1) == decided.labels).all()
    assert np.allclose(decided.probabilities, softmax((logits.astype(np.float64) / temperature).astype(np.float32)))
    if temperature >= 0.5:  # Below that, some are 0 or 1.
        assert np.allclose(unscaled(decided.probabilities, temperature), softmax(logits))


@pytest.mark.parametrize("positive", [0, 1])
def test_a_threshold_is_the_probability_from_which_on_a_row_is_positive(positive: int) -> None:
    logits = np.log(np.array([[0.7, 0.3], [0.8, 0.2], [0.2, 0.8]], np.float32))
    exact = DecisionRule(positive=positive).decide(logits).probabilities[0, positive]
    decided = DecisionRule(threshold=float(exact), positive=positive).decide(logits)
    expected = [positive, 1 - positive, positive] if positive else [positive, positive, 1 - positive]
    assert decided.labels.tolist() == expected
    known = known_metrics()
    assert rows_of(known["accuracy"](LABELS), decided, [1, 1, 1])[0].tolist() == expected
    assert (rows_of(known["roc_auc"](LABELS), decided, [1, 1, 0])[0] == decided.probabilities).all()


def best_of_all(name: str, shares: Any, references: Any, positive: int) -> float:
    """The best value of a metric over every threshold that can make a difference."""
    metric = known_metrics()[name]
    found = []
    for threshold in [*np.unique(shares), 2.0]:
        called = np.where(shares >= threshold, positive, 1 - positive)
        found.append(compute_metrics([name], called, references, labels=LABELS, positive_label=positive)[name])
    return max(found) if metric.higher_is_better else min(found)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize(
    "name", ["f1", "accuracy", "f1_macro", "matthews_correlation", "precision", "recall", "weighted_f1"]
)
def test_no_threshold_is_better_than_the_tuned_one(name: str, positive: int, coarse: bool) -> None:
    for seed in range(3):
        logits, references = rows(seed, 20, coarse=coarse)
        shares = softmax(logits)[:, positive]
        tuned = tune_threshold(shares, references, known_metrics()[name](LABELS, positive))
        decided = DecisionRule(1.0, tuned.threshold, positive).decide(logits)
        value = compute_metrics([name], decided, references, labels=LABELS, positive_label=positive)[name]
        assert value == pytest.approx(tuned.value, abs=1e-12)
        assert value == pytest.approx(best_of_all(name, shares, references, positive), abs=1e-12)
        assert tuned.threshold is None or tuned.threshold not in shares


def test_the_tuned_f1_is_the_best_of_the_precision_recall_curve() -> None:
    curve = pytest.importorskip("sklearn.metrics").precision_recall_curve
    logits, references = rows(7, 2000)
    shares = softmax(logits)[:, 1]
    precision, recall, thresholds = curve(references, shares)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    tuned = tune_threshold(shares, references, known_metrics()["f1"](LABELS))
    assert tuned.value == pytest.approx(f1.max()) and tuned.threshold is not None
    best = int(f1.argmax())
    assert thresholds[best - 1] < tuned.threshold <= thresholds[best]


@pytest.mark.parametrize(
    ("shares", "references", "name", "threshold"),
    [
        ([0.1, 0.4, 0.6, 0.9], [0, 0, 1, 1], "f1", None),  # The plain decision is as good as any.
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], "f1", 0.25),
        ([0.6, 0.7, 0.8, 0.9], [0, 0, 1, 1], "f1", 0.75),
        ([0.3, 0.3, 0.3, 0.1], [1, 1, 0, 0], "f1", 0.2),  # Equal probabilities are not told apart.
        ([0.2, 0.4, 0.4, 0.4], [1, 1, 1, 1], "recall", 0.1),
        ([0.7, 0.8], [0, 0], "accuracy", 0.9),  # No row is positive.
        ([1.0, 1.0], [0, 1], "accuracy", None),
        ([0.0, 0.0], [1, 1], "recall", 0.0),
        ([0.2, 0.9], [0, 0], "f1", None),  # Not defined at any threshold that leaves all out, else 0.
        ([0.5, 0.4], [1, 0], "accuracy", 0.45),  # A row at exactly 0.5 is no plain decision for it.
    ],
)
def test_ties_and_ends(shares: list[float], references: list[int], name: str, threshold: float | None) -> None:
    tuned = tune_threshold(np.array(shares), np.array(references), known_metrics()[name](LABELS))
    assert tuned.threshold == (None if threshold is None else pytest.approx(threshold))


class Costs(Metric):
    """What wrong labels cost."""

    name = "costs"
    of_positive_label = True
    higher_is_better = False
    bounds = (0.0, None)

    def value(self, predictions: NDArray[Any], references: NDArray[Any]) -> float:
        missed = (references == self.positive_label) & (predictions != references)
        return float(10 * missed.sum() + (predictions != references).sum())


def test_a_metric_of_a_plugin_that_is_better_the_lower_it_is_is_tuned_for_too() -> None:
    logits, references = rows(3)
    shares = softmax(logits)[:, 1]
    tuned = tune_threshold(shares, references, Costs(LABELS))
    costs = [Costs(LABELS).value(np.where(shares >= each, 1, 0), references) for each in [*shares, 2.0]]
    assert tuned.value == min(costs) < Costs(LABELS).value(logits.argmax(axis=1), references)
    assert tuned.threshold is not None and tuned.threshold < 0.5


class PerAlarm(Costs):
    """What wrong labels cost for each alarm: without one it is not defined."""

    name = "costs_per_alarm"

    def value(self, predictions: NDArray[Any], references: NDArray[Any]) -> float:
        alarms = (predictions == self.positive_label).sum()
        return super().value(predictions, references) / alarms if alarms else float("nan")


def test_a_threshold_at_which_the_metric_is_not_defined_is_not_the_best() -> None:
    tuned = tune_threshold(np.array([0.1, 0.4]), np.array([0, 1]), PerAlarm(LABELS))
    assert tuned == TunedThreshold(pytest.approx(0.25), 0.0)


@pytest.mark.parametrize("labels", [2, 3])
def test_no_temperature_gives_a_lower_log_loss(labels: int) -> None:
    logits, references = rows(5, 300, labels)
    for scale in (0.2, 1.0, 7.0):
        scaled = (scale * logits).astype(np.float32)
        found = tune_temperature(scaled, references)
        assert found is not None
        least = log_loss(scaled, references, found)
        grid = found * np.exp(np.linspace(-3, 3, 2001))
        assert all(least <= log_loss(scaled, references, each) + 1e-15 for each in grid)
        # The derivative of a minimum that is told to the last bit is 0 up to rounding.
        assert abs(log_loss(scaled, references, found * 1.0001) - least) < 1e-7
    assert log_loss(logits, references) == pytest.approx(
        -np.log(softmax(logits)[np.arange(len(logits)), references]).mean()
    )


def test_the_temperature_is_that_of_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    if not hasattr(calibration, "_TemperatureScaling"):
        pytest.skip("needs scikit-learn 1.8 or later")
    logits, references = rows(6, 400, 3)
    theirs = calibration._TemperatureScaling().fit(logits.astype(np.float64), references)
    assert tune_temperature(logits, references) == pytest.approx(1 / theirs.beta_, rel=1e-4)


def test_where_no_temperature_is_best_there_is_none() -> None:
    logits, references = rows(8)
    assert tune_temperature(logits, logits.argmax(axis=1)) is None
    assert tune_temperature(logits, logits.argmin(axis=1)) is None
    assert tune_temperature(np.zeros_like(logits), references) is None


def test_a_rule_is_told_in_words() -> None:
    fit = Fit(("threshold", "temperature"), "f1", "held_out", 168, "")
    assert DecisionRule(1.6251, 0.31, 1, fit).text(LABELS) == (
        '"yes" from a probability of 0.31 on (tuned for f1); logits divided by a temperature of 1.625 (tuned); '
        "tuned on the 168 held_out rows"
    )
    assert DecisionRule(1.0, None, 1, fit).text(LABELS).startswith("the most probable label, which is best by f1; ")
    assert DecisionRule(2.0, 0.2, 0).text(LABELS) == (
        '"no" from a probability of 0.2 on; logits divided by a temperature of 2'
    )


def test_a_temperature_alone_makes_no_score_of_labels_look_better() -> None:
    assert effect_of_fit(["threshold", "temperature"]) == "so that its scores look better than they are"
    assert effect_of_fit(["temperature"]) == "so that its probabilities fit these rows better than others"


def test_a_temperature_as_small_as_a_number_can_be_makes_no_number_that_is_none() -> None:
    logits, references = rows(0)
    for rule in (DecisionRule(1e-308), DecisionRule(1e-308, multi_label=True)):
        assert set(np.unique(rule.decide(logits).probabilities)) <= {0.0, 1.0}
    assert log_loss(logits, references, 1e-308) == np.inf
    right = logits.argmax(axis=1)
    assert log_loss(logits, right, 1e-308) == 0.0 == log_loss(logits, right, 1e-6)
    assert log_loss(logits, references, 1e-6) < np.inf
