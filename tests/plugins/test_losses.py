"""The losses give PyTorch's numbers and gradients, and say what does not fit."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import glueft
from glueft.plugin.registry import load_registry
from glueft.training.loss import TrainingLoss, refuse_unsuited

LOGITS = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75], [-2.0, 3.0, 0.5], [0.0, 0.0, 1.0]], np.float32)
LABELS = np.array([2, 1, 1, 0], np.int32)
WEIGHTS = {"a": 0.5, "b": 2.0, "c": 1.25}

# torch 2.13: F.cross_entropy(LOGITS, LABELS, weight=..., label_smoothing=...) and its gradient, in float64.
CROSS_ENTROPY: list[tuple[float, bool, float, list[list[float]]]] = [
    (0.0, False, 0.8624591382014044, [
        [0.0442050455, 0.0076816851, -0.0518867306], [0.1796100853, -0.198540849, 0.0189307637],
        [0.0015470713, -0.0203942583, 0.018847187], [-0.1970146106, 0.0529853894, 0.1440292212]]),
    (0.0, True, 0.7648764430237626, [
        [0.03843917, 0.0066797262, -0.0451188962], [0.2498922926, -0.2762307464, 0.0263384539],
        [0.0021524471, -0.0283746203, 0.0262221732], [-0.0685268211, 0.0184297007, 0.0500971204]]),
    (0.1, False, 0.9541258048680711, [
        [0.0358717122, -0.0006516483, -0.0352200639], [0.171276752, -0.1818741823, 0.0105974304],
        [-0.006786262, -0.0037275916, 0.0105138537], [-0.1803479439, 0.0446520561, 0.1356958879]]),
    (0.1, True, 0.8343997382751317, [
        [0.0355406193, -0.0049144767, -0.0306261426], [0.2376227809, -0.2557271659, 0.018104385],
        [-0.0008268204, -0.0171656445, 0.0179924649], [-0.0599652645, 0.0095999529, 0.0503653117]]),
]  # fmt: skip

PREDICTED = np.array([0.2, -1.5, 3.0, 0.75, 2.5], np.float32)
SCORES = np.array([0.0, 1.0, 2.8, 0.75, -1.0], np.float32)
# torch 2.13: F.mse_loss, F.l1_loss and F.huber_loss of these, in float64.
ERRORS: list[tuple[str, dict[str, float], float]] = [
    ("mean_squared_error", {}, 3.716),
    ("mean_absolute_error", {}, 1.28),
    ("huber", {}, 1.008),
    ("huber", {"delta": 0.5}, 0.558),
]


def training_loss(name: str, labels: tuple[str, ...], counts: tuple[int, ...] = (), **options: Any) -> TrainingLoss:
    cls = load_registry().find("loss", name).cls
    task = glueft.Task()
    task.name, task.labels, task.label_counts = "trial", labels, counts  # type: ignore[misc]
    return TrainingLoss(cls(cls.Options(**options)), task)  # type: ignore[arg-type]


def in_training(loss: TrainingLoss, logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss of a batch as a step computes it, and its gradient."""
    import tensorflow as tf

    weights = None if loss.label_weights is None else loss.label_weights[labels]
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss.build()(labels, variable, None if weights is None else weights / weights.mean())
    return float(value), np.asarray(tape.gradient(value, variable))


@pytest.mark.parametrize(("smoothing", "weighted", "value", "gradient"), CROSS_ENTROPY)
def test_cross_entropy_is_that_of_pytorch(
    smoothing: float, weighted: bool, value: float, gradient: list[list[float]]
) -> None:
    weights = WEIGHTS if weighted else None
    loss = training_loss("cross_entropy", ("a", "b", "c"), label_smoothing=smoothing, class_weights=weights)
    batch, found = in_training(loss, LOGITS, LABELS)
    assert batch == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found, gradient, atol=1e-7)
    assert loss.mean(LOGITS, LABELS) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("gamma", "mean", "weighted"), [
    (0.0, 0.8624591382014044, 0.7648764430237626),
    (0.5, 0.7290424979192551, 0.6412121245858964),
    (2.0, 0.4927532389156235, 0.4329140624512997),
])  # fmt: skip
def test_focal_is_its_formula_in_pytorch(gamma: float, mean: float, weighted: float) -> None:
    for expected, weights in ((mean, None), (weighted, WEIGHTS)):
        loss = training_loss("focal", ("a", "b", "c"), gamma=gamma, class_weights=weights)
        assert in_training(loss, LOGITS, LABELS)[0] == pytest.approx(expected, rel=1e-6)
        assert loss.mean(LOGITS, LABELS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_certain_row_has_a_gradient(gamma: float) -> None:
    certain = np.array([[200.0, -200.0], [-200.0, 200.0]], np.float32)
    value, gradient = in_training(training_loss("focal", ("a", "b"), gamma=gamma), certain, np.array([0, 0]))
    assert value == pytest.approx(200) and np.isfinite(gradient).all() and abs(gradient[1]).max() > 0.4


# torch 2.13: nn.BCEWithLogitsLoss(pos_weight=...) of these and its gradient, in float64; with smoothed targets.
SETS_LOGITS = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75], [-2.0, 3.0, 0.5], [0.0, 0.0, 100.0]], np.float32)
SETS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]], np.int32)
BINARY: list[tuple[float, bool, float, list[list[float]]]] = [
    (0.0, False, 9.025253707371805, [
        [-0.0314617224, 0.0185583449, -0.0099335768], [0.0681312063, 0.0468480417, 0.0267351084],
        [-0.0733997565, -0.0039521561, 0.0518716109], [0.0416666667, -0.0416666667, 0.0833333333]]),
    (0.0, True, 8.981334043812046, [
        [-0.0157308612, 0.0185583449, -0.012416971], [0.0681312063, 0.0468480417, 0.0267351084],
        [-0.0366998782, -0.0079043122, 0.0518716109], [0.0416666667, -0.0833333333, 0.0833333333]]),
    (0.1, False, 8.622128707371806, [
        [-0.0272950557, 0.0143916782, -0.0057669102], [0.0639645397, 0.0426813751, 0.0225684417],
        [-0.0692330898, 0.0002145106, 0.0477049443], [0.0375, -0.0375, 0.0791666667]]),
    (0.1, True, 8.588877215613062, [
        [-0.0123507376, 0.0111529288, -0.0081261347], [0.0643445929, 0.0408571105, 0.0218609639],
        [-0.0343682055, -0.0035400377, 0.0473116727], [0.0385416667, -0.0770833333, 0.0791666667]]),
]  # fmt: skip


@pytest.mark.parametrize(("smoothing", "weighted", "value", "gradient"), BINARY)
def test_binary_cross_entropy_is_that_of_pytorch(
    smoothing: float, weighted: bool, value: float, gradient: list[list[float]]
) -> None:
    weights = WEIGHTS if weighted else None
    loss = training_loss("binary_cross_entropy", ("a", "b", "c"), label_smoothing=smoothing, positive_weights=weights)
    loss.task.multi_label = True
    batch, found = in_training(loss, SETS_LOGITS, SETS)
    assert batch == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found, gradient, atol=1e-7)
    assert loss.mean(SETS_LOGITS, SETS) == pytest.approx(value, rel=1e-12)


def test_balanced_positive_weights_are_the_rows_without_a_label_to_those_with_it() -> None:
    loss = training_loss(
        "binary_cross_entropy", ("a", "b", "all", "none"), (20, 50, 100, 0), positive_weights="balanced"
    )
    loss.task.multi_label, loss.task.train_rows = True, 100
    labels = np.eye(4, dtype=np.int32)
    # Of logits of 0 each label has log 2, the label of the row times its weight: 80 to 20, 50 to 50, and 1 where there
    # is nothing to balance.
    values = loss.plugin.values(loss.task, np.zeros((4, 4), np.float32), labels)
    assert values / np.log(2) == pytest.approx([(3 + weight) / 4 for weight in (4, 1, 1, 1)])
    assert loss.label_weights is None and loss.as_record() == {"name": "binary_cross_entropy", "label_weights": None}


def test_a_loss_that_weighs_rows_by_their_one_label_does_not_suit_several() -> None:
    cls = load_registry().find("loss", "cross_entropy").cls
    loss = training_loss("cross_entropy", ("a", "b"), class_weights={"a": 2.0})
    loss.task.multi_label = True
    with pytest.raises(glueft.PluginError, match="does not weigh the labels of trial") as caught:
        _ = loss.label_weights
    assert "a row of a multi-label task has no label of its own" in caught.value.expected
    with pytest.raises(glueft.TrainingError, match="does not suit the task 'trial'") as unsuited:
        refuse_unsuited(cls(), loss.task)
    assert "any number of labels a row" in unsuited.value.expected
    assert 'loss.plugin = "binary_cross_entropy"' in unsuited.value.fix


@pytest.mark.parametrize(("name", "options", "value"), ERRORS)
def test_the_losses_of_scores_are_those_of_pytorch(name: str, options: dict[str, float], value: float) -> None:
    loss = training_loss(name, (), **options)
    assert in_training(loss, PREDICTED[:, None], SCORES)[0] == pytest.approx(value, rel=1e-6)
    assert loss.mean(PREDICTED[:, None], SCORES) == pytest.approx(value, rel=1e-6)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], [90, 6, 4])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=labels)
    loss = training_loss("cross_entropy", ("a", "b", "c"), (90, 6, 4), class_weights="balanced")
    assert loss.label_weights == pytest.approx(expected)
    assert loss.as_record()["label_weights"] == pytest.approx(dict(zip("abc", expected, strict=True)))
    # A label without rows changes nothing.
    other = training_loss("focal", ("a", "b", "c", "d"), (90, 6, 0, 4), class_weights="balanced")
    assert other.label_weights == pytest.approx([*expected[:2], 1.0, expected[2]])


def test_a_label_that_is_not_named_weighs_1() -> None:
    assert training_loss("focal", ("a", "b"), class_weights={"b": 3}).label_weights == pytest.approx([1.0, 3.0])


def test_keras_has_the_cross_entropy_without_options() -> None:
    """The very numbers of a run without [loss]."""
    built = training_loss("cross_entropy", ("a", "b")).build()
    assert type(built) is keras.losses.SparseCategoricalCrossentropy
