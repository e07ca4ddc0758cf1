"""The fit of a rule and what is said of it, for logits of the test's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from glueft.metrics import metric_labels
from glueft.recipe import load_recipe
from glueft.training.decision_fit import decision_warnings, describe_decision, fit_rule
from glueft.training.decisions import chosen_rule


class Held(list[int]):
    """Rows that are counted, and have a fingerprint."""

    sha256 = "ab"


def session(references: list[int], *changes: str) -> Any:
    recipe = load_recipe("mrpc", [f"decision.{change}" for change in changes], sample=True)
    return SimpleNamespace(
        recipe=recipe,
        rule=chosen_rule(recipe),
        task=recipe.task,
        labels=recipe.task.labels,
        primary_split="held_out",
        metric_labels=metric_labels(recipe.task.metrics, recipe.task.labels, 1),
        encoded={"held_out": SimpleNamespace(labels=np.array(references, np.int32))},
        rows={"held_out": Held(references)},
    )


def said(references: list[int], margins: list[float], *changes: str) -> tuple[Any, list[str]]:
    """The session after the fit, and the warnings; `margins` are the logits of label 1 over label 0."""
    made = session(references, *changes)
    logits = np.array([[0, margin] for margin in margins], np.float32)
    made.rule = fit_rule(made, logits)
    return made, [*decision_warnings(made, logits)]


def test_a_temperature_that_is_not_there_leaves_all_as_it_is_and_says_why() -> None:
    right, warnings = said([0, 1, 1], [-2, 1, 3], 'temperature="tuned"')
    assert right.rule.temperature == 1 and right.rule.is_plain
    assert warnings == [
        "the temperature stays 1: for the 3 held_out rows none is best, as all of them are predicted right"
    ]
    _, warnings = said([1, 0, 0, 1], [-2, 1, 3, 1], 'temperature="tuned"')
    assert len(warnings) == 1 and warnings[0].endswith("the logits tell less of the labels than chance does")


def test_a_threshold_that_is_best_where_it_is_plain_is_none() -> None:
    made, warnings = said([0, 1, 1], [-2, 1, 3], 'threshold="tuned"')
    assert made.rule.threshold is None and not warnings
    described = describe_decision(made, np.array([[0, -2], [0, 1], [0, 3]], np.float32), {})
    assert described is not None and described.metric == "accuracy" and described.value == described.plain_value == 1
    assert described.text().startswith("the most probable label, which is best by accuracy; tuned on the 3 held_out")


def test_scores_of_the_rows_of_the_fit_are_said_to_be_too_good() -> None:
    made, warnings = said([0, 0, 1, 1], [-4, -3, -2, 1], 'threshold="tuned"', 'metric="f1"')
    assert made.rule.threshold is not None and made.rule.threshold < 0.5 and made.rule.fit.sha256 == "ab"
    assert warnings == [
        "f1 of equivalent = 1.0000 is of the very 4 held_out rows that the threshold was tuned on, and so looks better "
        "than it is; at the plain decision it is 0.6667"
    ]


def test_a_threshold_comes_after_the_temperature_and_a_plain_rule_has_no_record() -> None:
    changes = 'threshold="tuned"', 'metric="f1"', 'temperature="tuned"'
    made, warnings = said([0, 1, 0, 1, 1, 0], [-8, -6, -7, 9, -9, 1], *changes)
    one, _ = said([0, 1, 0, 1, 1, 0], [-8, -6, -7, 9, -9, 1], *changes[:2])
    logits = np.array([[0, -8], [0, -6], [0, -7], [0, 9], [0, -9], [0, 1]], np.float32)
    assert made.rule.temperature > 1 and len(warnings) == 2
    assert (made.rule.decide(logits).labels == one.rule.decide(logits).labels).all()
    plain, warnings = said([0, 1], [-1, 1])
    assert not warnings and describe_decision(plain, logits[:2], {}) is None
