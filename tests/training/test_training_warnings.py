"""What is said before the first step: cut rows, few steps, rates of 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.plugin.callback import Callback
from glueft.recipe import load_recipe
from glueft.training.evaluation_steps import evaluated_steps
from glueft.training.warnings import (
    cut_warnings,
    evaluation_warnings,
    inexact_reasons,
    kept_warnings,
    rate_warnings,
    resume_notes,
    step_warnings,
)


def recipe(**options: Any) -> Any:
    overrides = [f"schedule.{name}={value}" for name, value in options.items()]
    return load_recipe("mrpc", ["schedule={plugin='linear', initial_learning_rate=1e-4}", *overrides], sample=True)


def test_a_warm_up_that_is_the_whole_run() -> None:
    assert list(step_warnings(recipe(warmup_ratio=0.1), 20, 160)) == []
    (found,) = step_warnings(recipe(warmup_ratio=0.1), 1, 8)
    assert found.startswith("the only step of the run is the first of the warm-up, where the learning rate begins at 0")
    assert "schedule.warmup_ratio" in found and "training.epochs" in found
    (found,) = step_warnings(recipe(warmup_steps=5), 5, 40)
    assert found.startswith("the warm-up takes all 5 steps of the run: the learning rate never reaches its peak")


def test_a_batch_larger_than_the_rows() -> None:
    assert list(step_warnings(recipe(), 3, 7)) == [
        "the batch of 8 rows is larger than the 7 train rows: an epoch is a single step"
    ]
    assert list(step_warnings(recipe(), 3, 8)) == []


@pytest.mark.parametrize(
    ("every", "validation_rows", "told"),
    [
        ("0.5", 40, None),
        ("60", 40, "training.evaluate_every = 60 never comes: the run has 30 steps, and only the ends of epochs are"),
        (
            "1",
            40,
            "evaluating takes more time than training: 30 evaluations read 1,200 rows, while the training reads 240",
        ),
        ("0.5", 1000, "evaluating takes more time than training: 6 evaluations read 6,000 rows, while the training"),
    ],
)
def test_evaluations_that_never_come_or_take_most_of_the_time(
    every: str, validation_rows: int, told: str | None
) -> None:
    asked = load_recipe("mrpc", [f"training.evaluate_every={every}"], sample=True)
    evaluated = evaluated_steps(asked.training.evaluate_every, 10, 3)
    found = list(evaluation_warnings(asked, evaluated, 80, validation_rows))
    assert [text.startswith(told or "") for text in found] == [True] * (told is not None)
    # Nothing is said of what nobody asked for.
    usual = load_recipe("mrpc", sample=True)
    assert list(evaluation_warnings(usual, evaluated_steps(None, 10, 3), 80, 10_000)) == []


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (0, "the learning rate is 0 in every step that was looked up (20 of 1,000): nothing is trained"),
        (300, "the learning rate is 0 in 14 of the 20 steps that were looked up, of 1,000: most of the run trains"),
        (600, None),
    ],
)
def test_rates_of_nought(last: int, told: str | None) -> None:
    found = list(rate_warnings(lambda step: float(step <= last), recipe(), 1000))
    assert [text.startswith(told or "") for text in found] == [True] * (told is not None)


@pytest.mark.parametrize("rate", [-1e-3, float("nan"), float("inf")])
def test_rates_that_are_none(rate: float) -> None:
    found = list(rate_warnings(lambda step: rate if step > 500 else 1e-3, recipe(), 1000))
    assert [text.partition(":")[0] for text in found] == [
        "the learning rate is less than 0 or no finite number in 10 of the 20 steps that were looked up, of 1,000"
    ]


def test_a_best_evaluation_is_not_found_by_labels_whose_threshold_is_tuned_later() -> None:
    changes = ["training.keep=best", "decision.threshold=tuned", "decision.metric=f1"]

    def warned(*more: str) -> list[str]:
        return [*kept_warnings(load_recipe("mrpc", [*changes, *more], sample=True))]

    assert len(warned()) == 1 and "by accuracy at the plain decision" in warned()[0]
    assert not warned('task.metrics=["average_precision"]')
    assert not warned("training.keep=last")


def test_the_warm_up_is_told_of_once() -> None:
    assert list(rate_warnings(lambda step: 0.0, recipe(warmup_ratio=0.1), 1)) == []
    assert len(list(rate_warnings(lambda step: 0.0, recipe(), 1))) == 1


def test_rows_that_are_mostly_cut() -> None:
    def tokens(truncated: int, rows: int = 10) -> Any:
        return SimpleNamespace(lengths=np.full(rows, 8), truncated=truncated)

    assert list(cut_warnings({"train": tokens(5), "validation": tokens(6), "held_out": tokens(1, 1)}, 8)) == [
        "6 of the 10 validation rows are cut to 8 tokens: the model does not see the rest; data.max_length sets it",
        "the only held_out row is cut to 8 tokens: the model does not see the rest; data.max_length sets it",
    ]


class Silent(Callback):
    """Does not say what it keeps."""

    name = "silent"


class Empty(Callback):
    """Keeps nothing, and says so."""

    name = "empty"

    def state(self) -> dict[str, Any]:
        return {}


def test_a_callback_that_does_not_say_what_it_keeps_is_named() -> None:
    told = 'the callback "silent" does not say what it keeps (state, restore)'
    silent: Any = SimpleNamespace(callbacks=(Empty(), Silent()), training=SimpleNamespace(checkpoint_minutes=15.0))
    assert inexact_reasons(silent) == [told]
    assert resume_notes(silent) == [f"this run can be resumed, but not exactly: {told}"]
    silent.training.checkpoint_minutes = 0.0  # nothing is saved, and nobody asks
    assert resume_notes(silent) == []
    silent.callbacks = (Empty(),)
    assert inexact_reasons(silent) == []


def test_another_backend_is_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.training.backend.keras_backend", lambda: "torch")
    exact: Any = SimpleNamespace(callbacks=(), training=SimpleNamespace(checkpoint_minutes=15.0))
    assert inexact_reasons(exact) == ["exactness is tested with tensorflow and jax, not with torch"]
    assert resume_notes(exact) == []
