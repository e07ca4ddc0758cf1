"""[loss] and training.sampler: what does not fit is refused first, and what is trained is what is validated."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft import launch
from glueft.errors import DataError, TrainingError
from glueft.recipe import RecipeError, load_recipe
from glueft.training.loss import choose_loss
from glueft.training.observers import RunProgress
from glueft.training.session import refuse_balance
from tiny_checkpoint import make_tiny_bert

RECIPES = Path(__file__).parents[2] / "recipes"


def problems(recipe: str, *overrides: str) -> list[tuple[str, str]]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    return [(problem.path, f"{problem.message} {problem.fix}") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("recipe", "change", "path", "told"),
    [
        (
            "mrpc",
            'loss.plugin="huber"',
            "loss.plugin",
            '"huber" is a loss for scores, and task "mrpc" has labels losses',
        ),
        ("stsb", 'loss.plugin="focal"', "loss.plugin", "for scores are mean_squared_error, mean_absolute_error, huber"),
        ("table", 'loss.plugin="huber"', "loss.plugin", 'task "table" has labels'),
        ("stsb", 'training.sampler="balanced"', "training.sampler", '"balanced" makes labels equally frequent'),
        ("mrpc", "loss.label_smoothing=0.1", "loss.plugin", 'the table does not say which loss add plugin = "cross'),
        ("mrpc", 'loss.plugin="cross-entropy"', "loss.plugin", 'did you mean "cross_entropy"?'),
        ("mrpc", 'loss={plugin="focal", gamma=-1}', "loss.gamma", "expected a number from 0 to 100"),
        ("mrpc", 'loss={plugin="focal", label_smoothing=0.1}', "loss.label_smoothing", 'unknown key for loss "focal"'),
        ("mrpc", 'loss={plugin="cross_entropy", label_smoothing=1.0}', "loss.label_smoothing", "below 1"),
        ("mrpc", 'loss={plugin="cross_entropy", class_weights="even"}', "loss.class_weights", '"balanced" or a table'),
        ("mrpc", 'loss={plugin="focal", class_weights={equivalent=0.0}}', "loss.class_weights.equivalent", "above 0"),
        (
            "mrpc",
            'loss={plugin="focal", class_weights={equal=2.0}}',
            "loss",
            'class_weights names a label that task "mrpc" does not have: "equal" correct class_weights below '
            '[loss]; the labels of the task are "not_equivalent", "equivalent"',
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(recipe: str, change: str, path: str, told: str) -> None:
    ((found, message),) = problems(recipe, change)
    assert found == path and told in message


def test_all_of_it_is_said_at_once() -> None:
    changes = ['loss={plugin="focal", gamma="2"}', 'training.sampler="balanced"', "training.epochs=0"]
    assert [path for path, _ in problems("stsb", *changes)] == ["loss.gamma", "training.epochs"]
    changes[0] = 'loss={plugin="focal"}'
    assert [path for path, _ in problems("stsb", *changes[:2])] == ["loss.plugin", "training.sampler"]


def test_labels_that_the_rows_tell_are_checked_before_the_training(tmp_path: Path) -> None:
    """The table task does not know its labels while the recipe is checked."""
    changes = ['loss={plugin="focal", class_weights={alrm=2.0}}', 'training.sampler="random"']
    recipe = load_recipe(RECIPES / "imbalanced.toml", changes, checkpoint=str(make_tiny_bert(tmp_path / "bert")))
    with pytest.raises(DataError, match='a label that task "table" does not have') as caught:
        launch.run_recipe(recipe, output_dir=tmp_path / "runs")
    assert (caught.value.expected, caught.value.received) == ('"alarm", "remark"', '"alrm"')
    assert not [*(tmp_path / "runs").iterdir()]


def test_a_loss_is_refused_where_only_the_rows_tell_that_it_does_not_suit() -> None:
    recipe = load_recipe("mrpc", ["loss.plugin=focal"])
    recipe.task.labels = ()
    with pytest.raises(TrainingError, match="the loss \"focal\" does not suit the task 'mrpc'") as caught:
        choose_loss(recipe)
    assert 'loss.plugin = "mean_squared_error"' in caught.value.fix


SEVERAL = 'task={plugin="table", train="a.csv", text="t", label_columns=["a", "b"], validation_fraction=0.1}'


def test_what_a_multi_label_task_cannot_have_is_said_at_once() -> None:
    changes = [
        SEVERAL,
        'loss={plugin="focal"}',
        'training.sampler="balanced"',
        "data.per_label=4",
    ]
    told = dict(problems("mrpc", *changes))
    assert {*told} == {"loss.plugin", "training.sampler", "data.per_label"}
    several = 'task "table" has any number of labels a row (multi_label)'
    assert all(several in message for message in told.values())
    assert '"focal" is a loss for labels' in told["loss.plugin"]
    assert "are binary_cross_entropy; without [loss] the task chooses" in told["loss.plugin"]
    assert 'positive_weights = "balanced" weighs rare labels' in told["training.sampler"]
    ((_, unsuited),) = problems("mrpc", "loss.plugin=binary_cross_entropy")
    assert '"binary_cross_entropy" is a loss for any number of labels a row' in unsuited
    unknown = 'loss={plugin="binary_cross_entropy", positive_weights={c=2.0}}'
    ((_, message),) = problems("mrpc", SEVERAL, unknown)
    assert 'positive_weights names a label that task "table" does not have: "c"' in message


def test_labels_of_which_a_row_has_any_number_cannot_be_balanced() -> None:
    """Told again where only the rows tell it."""
    recipe = load_recipe("mrpc", ["training.sampler=balanced"])
    recipe.task.multi_label = True
    with pytest.raises(TrainingError, match="cannot be made equally frequent: a row has any number of them") as caught:
        refuse_balance(recipe)
    assert caught.value.fix.startswith("remove training.sampler; [loss]")


def test_a_recipe_without_a_loss_stays_without_one() -> None:
    recipe = load_recipe("mrpc")
    assert recipe.loss is None and "loss" not in recipe.tables()
    assert choose_loss(recipe).name == "cross_entropy" and choose_loss(load_recipe("stsb")).name == "mean_squared_error"
    named = load_recipe("mrpc", ["loss.plugin=cross_entropy"]).tables()
    assert named["loss"] == {"plugin": "cross_entropy", "label_smoothing": 0.0}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder that knows the words of the imbalanced table, one label in 21 rows."""
    texts = [row["entry"] for row in csv.DictReader((RECIPES / "imbalanced.csv").open())]
    folder = tmp_path_factory.mktemp("entries") / "bert"
    return make_tiny_bert(folder, texts=texts, vocab_size=2000, layers=1, dropout=0.0)


class Said(RunProgress):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def trained(checkpoint: Path, folder: Path, *changes: str, progress: Said | None = None) -> glueft.Result:
    sets = ["schedule.initial_learning_rate=2e-3", "training.epochs=2", "optimizer={plugin='adam'}", *changes]
    recipe = load_recipe(RECIPES / "imbalanced.toml", sets, checkpoint=str(checkpoint), unset=["schedule.warmup_ratio"])
    return launch.run_recipe(recipe, output_dir=folder, progress=progress)


def predictions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The right labels and the probabilities of the validation rows, in the order of the labels alarm and remark."""
    rows = [line.split("\t") for line in (folder / "predictions" / "validation.tsv").read_text().splitlines()[1:]]
    labels = np.array([["alarm", "remark"].index(row[1]) for row in rows])
    return labels, np.array([row[3:5] for row in rows], float)


@pytest.mark.slow
def test_a_balanced_sampler_raises_macro_f1(entries: Path, tmp_path: Path) -> None:
    """The same steps on 12 alarms among 240 rows: as they come, and as often as the remarks."""
    plain = trained(entries, tmp_path, "training.epochs=3", "training.sampler=random").record
    balanced = trained(entries, tmp_path, "training.epochs=3", "training.sampler=balanced").record
    assert plain["num_train_steps"] == balanced["num_train_steps"]
    assert balanced["metrics"]["f1_macro"] > plain["metrics"]["f1_macro"] + 0.2
    assert plain["metrics"]["f1"] == 0.0 < 0.3 < balanced["metrics"]["f1"]  # of alarm


def test_the_validation_loss_is_that_of_the_training(entries: Path, tmp_path: Path) -> None:
    loss = 'loss={plugin="cross_entropy", class_weights="balanced", label_smoothing=0.2}'
    said = Said()
    changes = [loss, "training.gradient_accumulation_steps=2", "training.epochs=1"]
    result = trained(entries, tmp_path, *changes, progress=said)
    assert "loss: cross_entropy; rows weigh by label: alarm 10.5, remark 0.525" in said.lines
    assert "sampler: an epoch has 126 rows of each label" in said.lines
    labels, probabilities = predictions(result.folder)
    weights = np.array([252 / (2 * 12), 252 / (2 * 240)])
    record = result.record
    loss_function = record["loss_function"]
    assert loss_function["name"] == record["plugins"]["loss"] == "cross_entropy"
    assert loss_function["label_weights"] == pytest.approx(dict(zip(["alarm", "remark"], weights, strict=True)))
    each = -np.log(probabilities)
    right, others = each[np.arange(len(labels)), labels] * weights[labels], (each * weights).sum(axis=1)
    expected = (0.8 * right + 0.2 / 2 * others).sum() / weights[labels].sum()
    assert record["epochs"][0]["validation_loss"] == pytest.approx(expected, abs=1e-4)
    assert [text for text in record["warnings"] if "rare labels count twice" in text]
    recipe: dict[str, Any] = load_recipe(result.folder / "recipe.toml").tables()
    assert recipe["loss"]["class_weights"] == "balanced"
    assert json.loads((result.folder / "run.json").read_text())["plugins"]["packages"]["loss"]["package"] == "glueft"
