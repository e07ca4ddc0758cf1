"""The rule by which a recipe has labels decided, while what of it is tuned is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glueft.errors import TrainingError
from glueft.metrics.decision import PLAIN_THRESHOLD, DecisionRule
from glueft.recipe.decision_check import misfits
from glueft.recipe.values import received

if TYPE_CHECKING:
    from glueft.recipe import Recipe


def chosen_rule(recipe: Recipe) -> DecisionRule:
    """Return the rule of [decision]; what is tuned is that of the plain decision. The task's labels are known."""
    decision, labels = recipe.decision, recipe.task.labels
    temperature = 1.0 if decision.temperature == "tuned" else float(decision.temperature)
    threshold = PLAIN_THRESHOLD if decision.threshold == "tuned" else decision.threshold
    if recipe.task.multi_label:
        by_name = threshold if isinstance(threshold, dict) else dict.fromkeys(labels, threshold)
        return of_thresholds(temperature, [by_name.get(label, PLAIN_THRESHOLD) for label in labels])
    assert not isinstance(threshold, dict)
    positive = recipe.task.positive_index if recipe.task.labels else 1
    return DecisionRule(temperature, None if threshold == PLAIN_THRESHOLD else float(threshold), positive)


def of_thresholds(temperature: float, thresholds: Sequence[float]) -> DecisionRule:
    """Return the rule of a multi-label task with the threshold of each label."""
    plain = all(threshold == PLAIN_THRESHOLD for threshold in thresholds)
    return DecisionRule(temperature, multi_label=True, thresholds=None if plain else tuple(map(float, thresholds)))


def refuse_decision(recipe: Recipe) -> None:
    """Raise TrainingError if [decision] does not fit the task, whose rows are read: they may have told its labels."""
    for found in misfits(recipe.decision, recipe.task, recipe.task.predicts):
        raise TrainingError(
            f"decision.{found.key}: {found.message}",
            expected=found.expected,
            received=received(getattr(recipe.decision, found.key)),
            fix=found.fix,
        )
