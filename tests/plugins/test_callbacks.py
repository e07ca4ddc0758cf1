"""The first-party callbacks, in one real run whose validation gets worse, and one by one where a run is too much."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import glueft
import glueft_callbacks
from glueft.metrics import compute_metrics, known_metrics
from glueft.recipe import RecipeError, load_recipe
from glueft.runs.run import Run
from glueft.training.model import learning_rate
from glueft.training.observers import RunProgress
from run_folders import bare_run

# Far too high a rate: the validation loss is soon at its best.
WILD = [
    "training.epochs=12",
    "training.batch_size=16",
    "data.limit_train=64",
    "data.limit_validation=40",
    'schedule={plugin="constant", initial_learning_rate=0.02}',
]
CALLBACKS = """callbacks=[
    {plugin="early_stopping", metric="loss", patience=2},
    {plugin="csv"},
    {plugin="csv", every="step", file="steps.csv"},
    {plugin="tensorboard", every_steps=2, hparams=true},
]"""


class Listening(RunProgress):
    """Keeps the lines that are shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def shown() -> Listening:
    return Listening()


@pytest.fixture(scope="module")
def stopped(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory, shown: Listening) -> glueft.Result:
    recipe = load_recipe("mrpc", [*WILD, CALLBACKS], checkpoint=str(tiny_bert), sample=True)
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs"), progress=shown)


def history(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "history.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def columns(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_early_stopping_says_which_epoch_was_kept(stopped: glueft.Result, shown: Listening) -> None:
    losses = [epoch["validation_loss"] for epoch in history(stopped.folder, "epoch")]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 12  # patience 2
    record = json.loads((stopped.folder / "run.json").read_text())
    assert record["early_stopping"] == {
        "metric": "loss",
        "best_epoch": best + 1,
        "best_value": losses[best],
        "epochs_done": len(losses),
        "epochs_planned": 12,
        "stopped_early": True,
    }
    line = f"early stopping: stopped after epoch {len(losses)} of 12; "
    assert f"{line}kept epoch {best + 1} (validation loss {losses[best]:.4f})" in shown.lines


def test_a_run_with_these_callbacks_can_be_resumed_exactly(stopped: glueft.Result, shown: Listening) -> None:
    assert stopped.record["resume"] == {"exact": True, "reasons": []}
    assert not [line for line in shown.lines if "resumed" in line]


def test_early_stopping_says_of_which_label_f1_is() -> None:
    from glueft_callbacks.keras_early_stopping import KeepBestEpoch

    lines: list[str] = []
    run: Any = SimpleNamespace(record={"metric_labels": {"f1": "equivalent"}}, say=lines.append)
    callback = KeepBestEpoch(run, "f1", patience=1, min_delta=0.0)
    callback.set_params({"epochs": 1})
    callback.kept_epoch = callback.epochs_done = 1
    callback.on_train_end()
    assert lines == ["early stopping: the one epoch was run; kept epoch 1 (f1 of equivalent 0.0000)"]


def test_what_is_saved_is_what_was_best(stopped: glueft.Result) -> None:
    """The saved model by itself gives the best epoch's numbers over the validation rows; so do the predictions."""
    from glueft.data.encoding import encode
    from glueft.data.rows import load_rows
    from glueft.data.selection import Selection
    from glueft.data.sources import make_source
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer
    from glueft.training.loss import loss_of

    epochs = history(stopped.folder, "epoch")
    best = epochs[stopped.record["early_stopping"]["best_epoch"] - 1]
    assert stopped.record["metrics"] == best["metrics"]

    recipe = load_recipe(str(stopped.folder / "recipe.toml"))
    checkpoint = find_checkpoint(str(stopped.folder / "model"))
    source = make_source(recipe.data, recipe.task)
    rows = load_rows(recipe.task, source, Selection(limit_validation=40))["validation"]
    tokens = encode(rows, load_tokenizer(checkpoint), recipe.data.max_length)
    model = load_classifier(checkpoint, labels=recipe.task.labels, seed=0).model
    from glueft.data.batches import EvaluationBatches

    batches = EvaluationBatches(tokens, batch_size=64)
    logits = batches.restore(np.concatenate([np.asarray(model(inputs)) for inputs in batches]))
    loss = loss_of(tuple(recipe.task.labels)).mean(logits, tokens.labels)
    assert loss == pytest.approx(best["validation_loss"], abs=1e-6)
    assert abs(loss - epochs[-1]["validation_loss"]) > 1e-5  # the last epoch is another: further than the line above
    assert compute_metrics(recipe.task.metrics, logits.argmax(axis=1), tokens.labels) == best["metrics"]
    lines = (stopped.folder / "predictions" / "validation.tsv").read_text().splitlines()[1:]
    predicted = [recipe.task.labels.index(line.split("\t")[2]) for line in lines]
    assert predicted == logits.argmax(axis=1).tolist()


def test_csv_has_a_line_an_epoch(stopped: glueft.Result) -> None:
    table, epochs = columns(stopped.folder / "metrics.csv"), history(stopped.folder, "epoch")
    assert list(table) == ["epoch", "step", "loss", "validation_loss", "accuracy", "f1", "learning_rate"]
    for name in ("epoch", "step", "loss", "validation_loss"):
        assert table[name] == [epoch[name] for epoch in epochs]
    for name in ("accuracy", "f1"):
        assert table[name] == [epoch["metrics"][name] for epoch in epochs]
    assert table["learning_rate"] == pytest.approx([0.02] * len(epochs))


def test_csv_has_a_line_a_step(stopped: glueft.Result) -> None:
    table, steps = columns(stopped.folder / "steps.csv"), history(stopped.folder, "step")
    assert list(table) == ["step", "epoch", "loss", "learning_rate"]
    for name in ("step", "loss", "learning_rate"):
        assert table[name] == [step[name] for step in steps]
    assert table["epoch"] == [(step["step"] - 1) // 4 + 1 for step in steps]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads from a folder: (step, value) by name."""
    pytest.importorskip("tensorboard", reason="needs TensorBoard: pip install 'glueft[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        name: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
        if not name.startswith("_hparams_")
    }


def test_tensorboard_has_curves_by_step_and_epoch(stopped: glueft.Result) -> None:
    train, validation = (curves(stopped.folder / "tensorboard" / name) for name in ("train", "validation"))
    steps = [step for step in history(stopped.folder, "step") if step["step"] % 2 == 0]
    assert train["batch_loss"] == [(step["step"], pytest.approx(step["loss"])) for step in steps]
    assert train["batch_learning_rate"] == [(step["step"], pytest.approx(0.02)) for step in steps]
    epochs = history(stopped.folder, "epoch")
    assert train["epoch_loss"] == [(epoch["epoch"], pytest.approx(epoch["loss"])) for epoch in epochs]
    assert train["epoch_learning_rate"] == [(epoch["epoch"], pytest.approx(0.02)) for epoch in epochs]
    assert set(validation) == {"epoch_loss", "epoch_accuracy", "epoch_f1"}
    for name, value in (("loss", lambda epoch: epoch["validation_loss"]), ("f1", lambda epoch: epoch["metrics"]["f1"])):
        assert validation[f"epoch_{name}"] == [(epoch["epoch"], pytest.approx(value(epoch))) for epoch in epochs]


def test_tensorboard_has_the_hyperparameters_of_a_finished_run(stopped: glueft.Result) -> None:
    folder = stopped.folder / "tensorboard"
    final = {name: [value for _, value in points] for name, points in curves(folder).items()}
    metrics = stopped.record["metrics"]
    assert final == {f"final/{name}": [pytest.approx(value)] for name, value in metrics.items()}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    events = EventAccumulator(str(folder))
    events.Reload()
    written = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    session = plugin_data_pb2.HParamsPluginData.FromString(written).session_start_info
    assert session.group_name == stopped.folder.name
    assert session.hparams["training.batch_size"].number_value == 16
    assert session.hparams["schedule.plugin"].string_value == "constant"
    assert "_hparams_/session_end_info" in events.summary_metadata


def test_what_was_written_before_an_interruption_can_be_read(tmp_path: Path) -> None:
    """A real Keras training of one weight, broken off in its sixth step."""
    import keras

    options = (
        f'{{plugin="csv", every="step"}}, {{plugin="tensorboard", log_dir={json.dumps(str(tmp_path / "curves"))}}}'
    )
    run = Run.of(load_recipe("mrpc", [f"callbacks=[{options}]"]), tmp_path / "mrpc-1")
    run.folder.mkdir()
    model = one_weight()
    live: Any = SimpleNamespace(classifier=model, learning_rate=lambda step: learning_rate(model, step))
    run.attach(live)
    run.record.status = "interrupted"
    table, board = (callback.build(run) for callback in run.recipe.callbacks)

    def interrupt(batch: int, logs: dict[str, float]) -> None:
        if batch == 5:
            raise KeyboardInterrupt

    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=interrupt), table, board]
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=1, callbacks=callbacks, verbose=0)
    glueft_callbacks.glueft_run_finished(run)
    assert columns(run.folder / "metrics.csv")["step"] == [1, 2, 3, 4, 5]
    assert not (run.folder / "tensorboard").exists()
    points = curves(tmp_path / "curves" / "mrpc-1" / "train")["batch_learning_rate"]
    assert points == [(step, pytest.approx(0.01)) for step in (1, 2, 3, 4, 5)]


def one_weight() -> Any:
    """A model of one weight, compiled; Keras's SGD has the rate 0.01."""
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


# Values of the validation metric by epoch, patience and min_delta -> the epoch kept, and the epochs that are run.
COURSES: dict[str, tuple[list[float], str, int, float, int, int]] = {
    "worse at once": ([0.5, 0.4, 0.6], "accuracy", 1, 0, 1, 2),
    "one bad epoch is forgiven": ([0.5, 0.4, 0.6, 0.5, 0.5, 0.9], "accuracy", 2, 0, 3, 5),
    "better to the end": ([0.1, 0.2, 0.3], "accuracy", 1, 0, 3, 3),
    "the first of equals": ([0.5, 0.7, 0.7, 0.7], "accuracy", 2, 0, 2, 4),
    "loss falls": ([0.9, 0.5, 0.6, 0.7, 0.1], "loss", 2, 0, 2, 4),
    "patience ends with the last epoch": ([0.5, 0.4, 0.3], "accuracy", 2, 0, 1, 3),
    "too little is no progress, and kept": ([0.5, 0.505, 0.52, 0.9], "accuracy", 2, 0.1, 3, 3),
    "too little less loss": ([0.5, 0.45, 0.9], "loss", 1, 0.1, 2, 2),
    "negative correlations": ([-0.5, -0.2, -0.3, 0.4], "matthews_correlation", 1, 0, 2, 3),
}


@pytest.mark.parametrize("case", COURSES)
def test_which_epoch_is_kept(case: str, tmp_path: Path) -> None:
    """A real Keras training of one weight, which the values of a made-up validation accompany."""
    import keras

    from glueft_callbacks.keras_early_stopping import KeepBestEpoch

    values, metric, patience, min_delta, kept, run_epochs = COURSES[case]
    after_epoch = []

    class Validation(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            logs[f"val_{metric}"] = values[epoch]
            after_epoch.append(self.model.get_weights()[0].copy())

    model = one_weight()
    run: Any = bare_run(tmp_path)
    callbacks = [Validation(), KeepBestEpoch(run, metric, patience, min_delta)]
    model.fit(np.ones((4, 1)), np.full((4, 1), 9.0), epochs=len(values), callbacks=callbacks, verbose=0)

    assert len(after_epoch) == run_epochs
    assert len({float(weights[0, 0]) for weights in after_epoch}) == run_epochs
    np.testing.assert_array_equal(model.get_weights()[0], after_epoch[kept - 1])
    assert run.record["early_stopping"] == {
        "metric": metric,
        "best_epoch": kept,
        "best_value": values[kept - 1],
        "epochs_done": run_epochs,
        "epochs_planned": len(values),
        "stopped_early": run_epochs < len(values),
    }


def test_early_stopping_leaves_the_keeping_to_a_run_that_does_it(tmp_path: Path) -> None:
    import keras

    from glueft_callbacks.keras_early_stopping import KeepBestEpoch

    lines: list[str] = []
    run: Any = bare_run(tmp_path)
    run._say = lines.append
    ends = []

    class Validation(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            logs["val_accuracy"] = [0.5, 0.75, 0.25, 0.25][epoch]
            ends.append(self.model.get_weights()[0].copy())

    callback = KeepBestEpoch(run, "accuracy", patience=1, min_delta=0.0, keeps=False)
    model = one_weight()
    data = np.ones((4, 1)), np.full((4, 1), 9.0)
    model.fit(*data, epochs=4, callbacks=[Validation(), callback], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], ends[2])
    said = run.record["early_stopping"]
    assert (said["best_epoch"], said["epochs_done"], said["stopped_early"]) == (2, 3, True) and "collapse" not in said
    end = "the best was epoch 2 (accuracy 0.7500), and the run keeps its best evaluation"
    assert lines == [f"early stopping: stopped after epoch 3 of 4; {end}"]


@pytest.mark.parametrize("metric", known_metrics())
def test_which_way_every_metric_is_better(metric: str) -> None:
    """As early_stopping and compare take for granted."""
    references = np.array([0, 1, 1, 0, 1, 1])
    if known_metrics()[metric].suits == "multi_label":
        references = references.reshape(3, 2)
    wrong = 1 - references
    scores = [compute_metrics([metric], guesses, references)[metric] for guesses in (references, wrong)]
    assert scores[0] < scores[1] if glueft.lower_is_better(metric) else scores[0] > scores[1]


def test_early_stopping_follows_the_first_metric_unless_told() -> None:
    (callback,) = load_recipe("mrpc", ['callbacks=[{plugin="early_stopping"}]']).callbacks
    assert callback.metric(load_recipe("mrpc").task) == "accuracy"  # type: ignore[attr-defined]


def problem(*overrides: str) -> Any:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", list(overrides))
    (found,) = caught.value.problems
    return found


def test_an_unknown_metric_is_a_problem_of_the_recipe() -> None:
    found = problem('callbacks=[{plugin="csv"}, {plugin="early_stopping", metric="acuracy"}]')
    assert found.path == "callbacks.1"
    assert found.message == 'early_stopping has no metric "acuracy" to follow: task "mrpc" does not have it'
    assert found.expected == "one of accuracy, f1, loss"
    assert found.received == "'acuracy'"
    assert found.fix == "set metric to one of accuracy, f1, loss (loss is the validation loss)"


@pytest.mark.parametrize(
    ("first", "second", "claim"),
    [
        ('plugin="csv"', 'plugin="csv", every="step"', "metrics.csv"),
        ('plugin="csv"', 'plugin="csv", file="./metrics.csv"', "./metrics.csv"),
        ('plugin="csv", file="tensorboard"', 'plugin="tensorboard"', "tensorboard"),
        ('plugin="tensorboard", log_dir="curves"', 'plugin="tensorboard", log_dir="./curves/"', "curves"),
        ('plugin="mlflow"', 'plugin="mlflow", every_steps=2', "the run of the experiment glueft at MLflow's own place"),
        ('plugin="early_stopping"', 'plugin="early_stopping", metric="loss"', "the epoch that is kept"),
    ],
)
def test_two_callbacks_cannot_have_the_same_for_themselves(
    first: str, second: str, claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *arguments: name)  # whether or not it is installed
    found = problem(f"callbacks=[{{{first}}}, {{{second}}}]")
    name = found.message.split('"')[1]
    assert found.path == "callbacks.1" and f'plugin="{name}"' in second
    assert claim in found.message
    assert found.message.endswith(f", and so does {first.split(',')[0][7:]} in callbacks.0")
    assert found.fix == f"give it another by its options (glueft describe {name}), or take it out"


def test_callbacks_with_places_of_their_own_are_good() -> None:
    load_recipe("mrpc", ['callbacks=[{plugin="csv"}, {plugin="csv", every="step", file="steps.csv"}]'])


CLAIMING = """
import glueft

class Claiming(glueft.Callback):
    \"\"\"Writes files.\"\"\"
    name = "claiming"
    class Options(glueft.Options):
        file: str = glueft.Field(description="Where to.")
    def claims(self):
        if self.options.file == "none":
            raise ValueError("no file")
        return self.options.file or None
    def build(self, run):
        raise NotImplementedError
"""


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("sub/../metrics.csv", '"csv" in callbacks.0'),
        ("run.json", "glueft itself"),
        ("predictions/", "glueft itself"),
        ("report.html", "glueft itself"),
        ("none", "the plugin's own check failed: ValueError: no file"),
    ],
)
def test_a_plugin_s_claims_are_held_against_all_others(tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "claiming.py").write_text(CLAIMING)
    callbacks = f"callbacks=[{{plugin='csv'}}, {{plugin='claiming', file='{file}'}}, {{plugin='csv', every='step'}}]"
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", [callbacks], plugins=[str(tmp_path / "claiming.py")])
    # All problems at once: the third callback's as well.
    assert [found.path for found in caught.value.problems] == ["callbacks.1", "callbacks.2"]
    assert message in caught.value.problems[0].message


def test_a_plugin_that_claims_nothing_is_good(tmp_path: Path) -> None:
    (tmp_path / "claiming.py").write_text(CLAIMING)
    load_recipe("mrpc", ["callbacks=[{plugin='claiming', file=''}]"], plugins=[str(tmp_path / "claiming.py")])


@pytest.mark.parametrize(
    ("callback", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_a_package_that_is_not_installed(callback: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    found = problem(f'callbacks=[{{plugin="{callback}"}}]')
    assert found.message == f'callback "{callback}" needs the package {package}, which is not installed'
    assert found.expected == f"the package {package}"
    assert found.received == "no such package"
    assert found.fix == f"pip install 'glueft[{callback}]', or take the callback out of the recipe"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *[
            (taken, f'callback "csv" claims "{taken}", and so does glueft itself')
            for taken in ("run.json", "checkpoints", "heartbeat")
        ],
        ("../other.csv", "must be a plain name, without folders"),
        ("/tmp/other.csv", "must be a plain name, without folders"),
        ("~x", "must be a plain name, without folders"),
        (" ", "must not be empty or hold control characters"),
    ],
)
def test_a_csv_file_lies_in_the_run_folder_and_writes_over_nothing(name: str, message: str) -> None:
    assert message in problem(f'callbacks=[{{plugin="csv", file="{name}"}}]').message


def test_a_check_that_fails_by_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from glueft_callbacks.early_stopping import EarlyStopping

    monkeypatch.setattr(EarlyStopping, "check", lambda self, task: 1 / 0)
    found = problem('callbacks=[{plugin="early_stopping"}]')
    assert found.message == "the plugin's own check failed: ZeroDivisionError: division by zero"
    assert found.fix == "report it to the authors of glueft"


@pytest.mark.slow
def test_the_best_epoch_is_put_back_under_jax_too(tiny_bert: Path, tmp_path: Path) -> None:
    """Slow: a process of its own, and JAX compiles each batch shape."""
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    import os
    import subprocess
    import sys

    options = [part for override in [*WILD, CALLBACKS] for part in ("--set", override)]
    command = [sys.executable, "-m", "glueft.cli.main", "run", "mrpc", "--sample", "--checkpoint", str(tiny_bert)]
    done = subprocess.run(
        [*command, *options, "--json"],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["engine"]["backend"] == "jax"
    said, folder = record["early_stopping"], Path(record["run_dir"])
    assert said["best_epoch"] == said["epochs_done"] - 2
    best = record["epochs"][said["best_epoch"] - 1]
    assert record["metrics"] == best["metrics"]
    given, probability = [], []
    for line in (folder / "predictions" / "validation.tsv").read_text().splitlines()[1:]:
        _, label, _, *shares = line.split("\t")
        given.append(label == "equivalent")
        probability.append(float(shares[given[-1]]))
    assert -np.log(probability).mean() == pytest.approx(best["validation_loss"], abs=1e-4)
    assert [step for step, _ in curves(folder / "tensorboard" / "train")["batch_loss"]][:2] == [2, 4]
