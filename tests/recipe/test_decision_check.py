"""[decision] of a recipe that does not fit its task, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.metrics.decision import DecisionRule
from glueft.recipe import load_recipe
from glueft.recipe.problems import RecipeError
from glueft.recipe.sections import Decision
from glueft.training.decisions import chosen_rule


@pytest.mark.parametrize(
    ("task", "changes", "key", "message"),
    [
        ("mnli", ["threshold=0.3"], "threshold", 'task "mnli" has 3 labels, and a threshold is between two'),
        ("mnli", ['threshold="tuned"'], "threshold", 'task "mnli" has 3 labels'),
        ("stsb", ['threshold="tuned"'], "threshold", 'task "stsb" has scores, and no labels to be decided'),
        ("stsb", ['temperature="tuned"'], "temperature", 'task "stsb" has scores'),
        ("mrpc", ['metric="f1"'], "metric", "no threshold is tuned for it: threshold is 0.5"),
        ("mrpc", ['threshold="tuned"', 'metric="roc_auc"'], "metric", "is of the probabilities, and no threshold"),
        ("mrpc", ['threshold="tuned"', 'metric="mae"'], "metric", 'the metric "mae" is not one of two labels'),
        ("mrpc", ['threshold="tuned"', 'metric="f2"'], "metric", "f2"),
        ("mrpc", ["threshold=1.0"], "threshold", "1.0"),
        ("mrpc", ['threshold="best"'], "threshold", "best"),
        ("mrpc", ["temperature=0"], "temperature", "0"),
        ("mrpc", ["temperature=1e-308"], "temperature", "1e-308"),
    ],
)
def test_what_does_not_fit_is_said(task: str, changes: list[str], key: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(task, [f"decision.{change}" for change in changes], sample=True)
    problem = next(each for each in caught.value.problems if each.path == f"decision.{key}")
    assert message in f"{problem.message} {problem.received}" and problem.fix


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        (["threshold={urgnt=0.3}"], "threshold", 'has no label "urgnt" did you mean "urgent"?'),
        (["threshold={urgent=1.0}"], "threshold", "1.0"),
        (['metric="f1"'], "metric", "no threshold is tuned for it: threshold is 0.5"),
        (["threshold={urgent=0.3}", 'metric="f1"'], "metric", "threshold is {urgent = 0.3}"),
        (['threshold="tuned"', 'metric="micro_f1"'], "metric", "is of all labels together, and the threshold of each"),
        (['threshold="tuned"', 'metric="average_precision"'], "metric", "is of the probabilities"),
        (['threshold="tuned"', 'metric="subset_accuracy"'], "metric", "is of all labels together"),
    ],
)
def test_of_a_multi_label_task_too(changes: list[str], key: str, message: str) -> None:
    labels = 'task.labels=["building", "food", "guide", "tickets", "urgent"]'
    with pytest.raises(RecipeError) as caught:
        load_recipe("multi-label", [labels, *(f"decision.{change}" for change in changes)], unset=["decision"])
    problem = next(each for each in caught.value.problems if each.path.startswith(f"decision.{key}"))
    assert message in f"{problem.message} {problem.fix} {problem.received}" and problem.fix


def test_thresholds_by_label_are_of_multi_label_tasks_alone() -> None:
    with pytest.raises(RecipeError, match="gives a row one label, and thresholds by label are for multi-label tasks"):
        load_recipe("mrpc", ["decision.threshold={equivalent=0.3}"], sample=True)


def test_each_label_of_a_multi_label_task_is_tuned_for_its_own_f1() -> None:
    recipe = load_recipe("multi-label")
    assert recipe.decision.tuned_for(recipe.task) == "f1"
    named = load_recipe("multi-label", ['decision.metric="matthews_correlation"'])
    assert named.decision.tuned_for(named.task) == "matthews_correlation"
    by_name = load_recipe("multi-label", ["decision={threshold={urgent=0.3, food=0.6}}"])
    assert by_name.tables()["decision"]["threshold"] == {"urgent": 0.3, "food": 0.6}
    by_name.task.labels = ("building", "food", "guide", "tickets", "urgent")
    assert chosen_rule(by_name) == DecisionRule(multi_label=True, thresholds=(0.5, 0.6, 0.5, 0.5, 0.3))
    one = load_recipe("multi-label", ["decision={threshold=0.25, temperature=2.0}"])
    one.task.labels = by_name.task.labels
    assert chosen_rule(one) == DecisionRule(2.0, multi_label=True, thresholds=(0.25,) * 5)
    plain = load_recipe("multi-label", unset=["decision"])
    plain.task.labels = by_name.task.labels
    assert chosen_rule(plain) == DecisionRule(multi_label=True)


def test_the_primary_metric_must_be_one_that_a_threshold_changes() -> None:
    changes = ['task.metrics=["roc_auc", "f1"]', 'decision.threshold="tuned"']
    with pytest.raises(RecipeError, match='"roc_auc", the primary one of mrpc, is of the probabilities'):
        load_recipe("mrpc", changes, sample=True)
    load_recipe("mrpc", [*changes, 'decision.metric="f1"'], sample=True)


def test_the_plain_decision_is_not_written_and_any_other_is() -> None:
    plain = load_recipe("mrpc", ["decision.threshold=0.5", "decision.temperature=1.0"], sample=True)
    assert plain == load_recipe("mrpc", sample=True) and "decision" not in plain.tables()
    assert plain.decision == Decision() and plain.decision.tuned == ()
    tuned = load_recipe("mrpc", ['decision={threshold="tuned", temperature=2}'], sample=True)
    assert tuned.tables()["decision"] == {"threshold": "tuned", "temperature": 2.0}
    assert tuned.decision.tuned == ("threshold",)
    assert load_recipe("mnli", ['decision.temperature="tuned"'], sample=True).decision.tuned == ("temperature",)


def test_a_complete_recipe_reads_back(tmp_path: Path) -> None:
    tuned = load_recipe("mrpc", ['decision={threshold="tuned", metric="f1", temperature="tuned"}'], sample=True)
    (tmp_path / "recipe.toml").write_text(tuned.to_toml())
    assert load_recipe(tmp_path / "recipe.toml") == tuned
