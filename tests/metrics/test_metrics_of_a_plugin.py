"""A metric of a plugin serves wherever one of glueft's own does: of a file here, of a package in test_hooks.py."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.comparison.compare import compare_runs
from glueft.inference.evaluate import evaluate_run
from glueft.metrics import compute_metrics
from glueft.push.content import content_of, source_of
from glueft.recipe import RecipeError, load_recipe
from glueft.runs.run import Run
from glueft.runs.run_list import list_runs, metric_titles, ordered
from glueft.training.progress import Progress
from glueft.training.session import read_session

METRICS = '''
import glueft
from glueft.recipe import load_recipe


class MissRate(glueft.Metric):
    """Share of the rows with the positive label that are not predicted as it."""

    name = "miss_rate"
    of_positive_label = True
    higher_is_better = False
    hub_name = "false_negative_rate"

    def value(self, predictions, references):
        positive = references == self.positive_label
        return float((predictions[positive] != self.positive_label).mean()) if positive.any() else 0.0


class Brier(glueft.Metric):
    """Mean squared error of the probability of the positive label."""

    name = "brier"
    most_labels = 2
    takes_probabilities = True
    higher_is_better = False

    def value(self, predictions, references):
        return float(((predictions[:, 1] - (references == 1)) ** 2).mean())


class Broken(glueft.Metric):
    """Fails."""

    name = "broken"

    def value(self, predictions, references):
        raise ZeroDivisionError("division by zero")


class Text(glueft.Metric):
    """Returns a text."""

    name = "text"

    def value(self, predictions, references):
        return "0.5"


class Nothing(glueft.Metric):
    """Returns nothing."""

    name = "nothing"

    def value(self, predictions, references):
        references[:] = predictions
'''
CHOICE = 'task.metrics=["miss_rate", "brier", "accuracy"]'


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugin") / "my_metrics.py"
    file.write_text(METRICS)
    return file


@pytest.fixture(scope="module")
def run(tiny_bert: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = [CHOICE, "training.epochs=2", 'callbacks=[{plugin="early_stopping"}]', "training.batch_size=32"]
    recipe = load_recipe("mrpc", changes, sample=True, checkpoint=str(tiny_bert), plugins=[str(plugin)])
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs")).folder


def test_the_run_records_what_readers_need(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert [*record["metrics"]] == [*record["baseline"]] == ["miss_rate", "brier", "accuracy"]
    assert record["metric_labels"] == {"miss_rate": "equivalent"}
    assert record["metric_facts"]["accuracy"]["package"] == "glueft"
    assert record["metric_facts"]["miss_rate"] == {
        "description": "Share of the rows with the positive label that are not predicted as it.",
        "higher_is_better": False,
        "bounds": [0.0, 1.0],
        "hub_name": "false_negative_rate",
        "package": None,
        "version": None,
    }
    assert 'metrics = ["miss_rate", "brier", "accuracy"]' in (run / "recipe.toml").read_text()
    # Early stopping follows the first metric, the lower the better.
    values = [epoch["metrics"]["miss_rate"] for epoch in record["epochs"]]
    assert record["early_stopping"]["metric"] == "miss_rate" and record["early_stopping"]["best_value"] == min(values)


def test_evaluate_gives_the_run_s_numbers_and_takes_other_metrics(run: Path, plugin: Path) -> None:
    result = evaluate_run(Run.open(run))
    assert result["comparison"]["equal"] is True and [*result["metrics"]] == ["miss_rate", "brier", "accuracy"]
    other = evaluate_run(Run.open(run), overrides=['task.metrics=["roc_auc", "accuracy"]'])
    assert [*other["metrics"]] == ["roc_auc", "accuracy"]
    assert other["comparison"]["equal"] is True
    only = evaluate_run(Run.open(run), overrides=['task.metrics=["roc_auc"]'])["comparison"]
    assert only["equal"] is None and only["summary"] == "the run itself did not measure validation by roc_auc"
    assert other["metrics"]["accuracy"] == result["metrics"]["accuracy"] and 0 < other["metrics"]["roc_auc"] < 1


def test_compare_resamples_it(run: Path) -> None:
    compared = compare_runs([run, run], resamples=20)
    record = Run.open(run).record
    assert compared["runs"][0]["metrics"] == pytest.approx(dict(record["metrics"]))
    assert not [note for note in compared["notes"] if "run.json has" in note or "no interval" in note]
    assert [*compared["comparisons"][0]["metrics"]] == ["miss_rate", "brier", "accuracy"]


def test_the_card_and_the_list_name_it(run: Path) -> None:
    card = str(content_of(source_of(Run.open(run)), "alice/mrpc", None).files["README.md"])
    assert "miss_rate of equivalent" in card and "type: false_negative_rate" in card
    (listed,) = list_runs(run.parent)
    assert "miss_rate of equivalent" in metric_titles([listed])
    assert ordered([listed], "brier") == [listed]


WITHOUT_PLUGIN = """
import json, sys
from glueft.comparison.compare import compare_runs
from glueft.report.write import write_report
compared = compare_runs([sys.argv[1]] * 2, resamples=10)
write_report(sys.argv[1], sys.argv[2])
print(json.dumps([compared["runs"][0]["metrics"], [*compared["comparisons"][0]["metrics"]], compared["notes"]]))
"""


@pytest.mark.slow
def test_a_process_without_the_plugin_reads_the_run(run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_PLUGIN, str(run), str(tmp_path / "report.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    values, compared, notes = json.loads(done.stdout)
    assert values == pytest.approx(dict(Run.open(run).record["metrics"])) and compared == ["accuracy"]
    assert [note.split(":")[0] for note in notes if "interval for" in note] == [
        "there is no interval for miss_rate",
        "there is no interval for brier",
    ]
    page = (tmp_path / "report.html").read_text()
    assert "miss_rate of equivalent was lowest" in page or "miss_rate of equivalent was 0" in page


def problem(*overrides: str, plugins: list[str] | None = None, recipe: str = "mrpc") -> Any:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [*overrides], sample=True, plugins=plugins or [])
    (found,) = caught.value.problems
    return found


def test_what_a_recipe_may_name(plugin: Path) -> None:
    recipe = load_recipe("stsb", ['task.metrics=["spearmanr", "mean_squared_error"]'], sample=True)
    assert recipe.task.metrics == ("spearmanr", "mean_squared_error")
    assert load_recipe("mrpc", sample=True).task.metrics == ("accuracy", "f1")
    misspelt = problem('task.metrics=["acuracy"]')
    assert misspelt.path == "task.metrics.0" and 'did you mean "accuracy"?' in misspelt.fix
    misspelt = problem('task.metrics=["mis_rate"]', plugins=[str(plugin)])
    assert 'did you mean "miss_rate"?' in misspelt.fix
    unfit = problem('task.metrics=["accuracy", "mae"]')
    assert unfit.path == "task.metrics" and "does not suit a task with 2 labels" in unfit.message
    assert "metrics that suit it are accuracy, f1" in unfit.fix and "pearson" not in unfit.fix
    assert "does not suit a regression task" in problem('task.metrics=["f1"]', recipe="stsb").message
    assert "must be one name or more, each once" in problem("task.metrics=[]").message
    assert "must be one name or more, each once" in problem('task.metrics=["f1", "f1"]').message


def test_a_metric_that_fails_is_told_with_its_plugin(plugin: Path) -> None:
    load_recipe("mrpc", sample=True, plugins=[str(plugin)])
    with pytest.raises(
        glueft.PluginError, match=r'the metric "broken" .*failed in its `value`: ZeroDivisionError'
    ) as caught:
        compute_metrics(["broken"], [1], [1])
    assert "my_metrics.py, line" in caught.value.received


@pytest.mark.parametrize(("name", "received"), [("text", "'0.5'"), ("nothing", "None")])
def test_a_value_that_is_no_number_is_refused(name: str, received: str, plugin: Path) -> None:
    load_recipe("mrpc", sample=True, plugins=[str(plugin)])
    predictions, references = np.array([0, 1]), np.array([1, 1])
    with pytest.raises(
        glueft.PluginError, match=f'`value` of the metric "{name}" .*does not return a number'
    ) as caught:
        compute_metrics([name], predictions, references)
    assert caught.value.received == received
    assert references.tolist() == [1, 1]  # although "nothing" changes its arguments


@pytest.mark.parametrize(
    ("change", "method"),
    [('task.metrics=["broken"]', "value"), ('decision={threshold="tuned", metric="broken"}', "resampled")],
)
def test_a_metric_that_fails_does_so_before_the_training(
    change: str, method: str, plugin: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("mrpc", [change], sample=True, checkpoint=str(tiny_bert), plugins=[str(plugin)])
    with pytest.raises(glueft.PluginError, match=f"failed in its `{method}`"):
        glueft.run(recipe, output_dir=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_metrics_of_a_file_are_those_of_the_recipe_in_use(plugin: Path, tiny_bert: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(METRICS.replace('raise ZeroDivisionError("division by zero")', "return 0.25"))
    first = load_recipe("mrpc", sample=True, checkpoint=str(tiny_bert), plugins=[str(other)])
    assert compute_metrics(["broken"], [1], [1]) == {"broken": 0.25}
    load_recipe("mrpc", sample=True, plugins=[str(plugin)])
    with pytest.raises(glueft.PluginError, match="ZeroDivisionError"):
        compute_metrics(["broken"], [1], [1])
    read_session(first, Progress())
    assert compute_metrics(["broken"], [1], [1]) == {"broken": 0.25}
    assert 'received "broken"' in problem('task.metrics=["broken"]').message


def test_a_run_whose_metric_is_not_there_says_what_brought_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    with pytest.raises(RecipeError) as caught:
        evaluate_run(Run.open(folder), trust=False)
    assert [problem.path for problem in caught.value.problems] == ["plugins.files.0"]
    record = json.loads((folder / "run.json").read_text())
    for name in ("miss_rate", "brier"):
        record["metric_facts"][name] |= {"package": "glueft-rates", "version": "1.2"}
    (folder / "run.json").write_text(json.dumps(record))
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("my_metrics.py", "gone.py"))
    with pytest.raises(RecipeError) as caught:
        evaluate_run(Run.open(folder))
    assert [problem.path for problem in caught.value.problems] == ["task.metrics.0", "task.metrics.1"]
    told = "the run had it from glueft-rates 1.2: pip install glueft-rates==1.2"
    assert {problem.fix for problem in caught.value.problems} == {told}


@pytest.mark.parametrize("overrides", [[], ['task.metrics=["accuracy"]']])
def test_the_task_of_a_recipe_can_be_pickled(overrides: list[str]) -> None:
    """`Dataset.map` pickles the task of a method that it is given, and names its cache by the pickle."""
    from datasets.fingerprint import Hasher

    tasks = [load_recipe("mrpc", overrides, sample=True).task for _ in range(2)]
    again = pickle.loads(pickle.dumps(tasks[0]))
    assert again.options == tasks[0].options and again.options.metrics == tasks[0].options.metrics
    assert Hasher.hash(tasks[0].load) == Hasher.hash(tasks[1].load) == Hasher.hash(again.load)
