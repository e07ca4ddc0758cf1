"""The rule by which a recipe has labels decided, while what of it is tuned is not known yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.errors import TrainingError
from glueft.metrics.decision import DecisionRule
from glueft.recipe.decision_check import misfits
from glueft.recipe.sections import Decision
from glueft.recipe.values import received

if TYPE_CHECKING:
    from glueft.recipe import Recipe


def chosen_rule(recipe: Recipe) -> DecisionRule:
    """Return the rule of [decision]; what is tuned is that of the plain decision. The task's labels are known."""
    decision, plain = recipe.decision, Decision()
    threshold = None if decision.threshold in ("tuned", plain.threshold) else decision.threshold
    temperature = plain.temperature if decision.temperature == "tuned" else decision.temperature
    positive = recipe.task.positive_index if recipe.task.labels else 1
    return DecisionRule(float(temperature), None if threshold is None else float(threshold), positive)


def refuse_decision(recipe: Recipe) -> None:
    """Raise TrainingError if [decision] does not fit the task, whose rows are read: they may have told its labels."""
    for found in misfits(recipe.decision, recipe.task, scores=not recipe.task.labels):
        raise TrainingError(
            f"decision.{found.key}: {found.message}",
            expected=found.expected,
            received=received(getattr(recipe.decision, found.key)),
            fix=found.fix,
        )
