"""One run, from recipe to run folder, on a tiny real BERT and the shipped samples."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import glueft
from glueft.plugin.registry import load_registry
from glueft.recipe import load_recipe
from glueft.training.observers import RunProgress
from plugin_packages import install
from tiny_checkpoint import make_tiny_bert

FAST = ["training.epochs=2", "training.batch_size=16", "data.limit_train=48", "data.limit_validation=20"]


def tiny_recipe(tiny_bert: Path, *overrides: str, name: str = "mrpc", **options: Any) -> Any:
    return load_recipe(name, [*FAST, *overrides], checkpoint=str(tiny_bert), **({"sample": True} | options))


def folders(output_dir: Path) -> list[Path]:
    return sorted(output_dir.iterdir()) if output_dir.exists() else []


@pytest.fixture(scope="module")
def result(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> glueft.Result:
    recipe = tiny_recipe(tiny_bert)
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs"), begin=time.perf_counter() - 1000)


def test_the_record_holds_the_promised_fields(result: glueft.Result) -> None:
    record = json.loads((result.folder / "run.json").read_text())
    assert record == json.loads(json.dumps(result.record)), "a dict, as JSON has it"
    assert record["format"] == 1
    assert record["status"] == "done"
    assert record["task"] == "mrpc"
    assert record["seed"] == 42
    assert set(record["metrics"]) == {"accuracy", "f1"}
    assert {"setup", "train", "evaluate", "total"} <= set(record["seconds"])
    assert record["examples_per_second"] > 0
    assert 0 <= record["padding_waste"] < 0.5
    assert Path(record["run_dir"]) == result.folder.resolve()
    assert record["num_train_steps"] == 6
    assert record["data"]["splits"]["train"]["rows"] == 48
    assert record["data"]["splits"]["validation"]["rows"] == 20
    assert len(record["data"]["splits"]["train"]["sha256"]) == 64
    assert record["checkpoint"]["head"] == "new"
    assert record["checkpoint"]["new"] == ["classifier.weight", "classifier.bias"]
    assert record["checkpoint"]["sha256"]["model.safetensors"]
    assert record["versions"]["keras"]
    seconds = record["seconds"]
    # Each is rounded to a thousandth of a second, so the parts may add up to a little more than the whole.
    assert seconds["total"] >= seconds["setup"] + seconds["train"] + seconds["evaluate"] - 0.005
    # The clock began where the caller said; the first step and the set-up are counted from there.
    assert 1000 < seconds["setup"] < seconds["first_step"] < seconds["setup"] + seconds["train"]
    assert 0 < seconds["compile"] < seconds["train"] < 1000


def test_the_folder_holds_what_was_promised(result: glueft.Result) -> None:
    files = {str(path.relative_to(result.folder)) for path in result.folder.rglob("*") if path.is_file()}
    assert files >= {
        "recipe.toml",
        "run.json",
        "history.jsonl",
        "predictions/validation.tsv",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    }
    assert not [name for name in files if "/." in f"/{name}"], "temporary files were left behind"


def test_the_history_has_a_line_a_step_and_an_epoch(result: glueft.Result) -> None:
    lines = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [1, 2, 3, 4, 5, 6]
    assert [line["learning_rate"] for line in lines if line["kind"] == "step"] == pytest.approx(
        [5e-5 * (1 - step / 6) for step in range(6)]
    )
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert epochs[-1]["metrics"] == result.record["metrics"]


def test_the_predictions_give_the_metrics(result: glueft.Result) -> None:
    lines = (result.folder / "predictions" / "validation.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "id", "label", "prediction", "probability_not_equivalent", "probability_equivalent",
    ]  # fmt: skip
    rows = [line.split("\t") for line in lines[1:]]
    assert [row[0] for row in rows] == [str(number) for number in range(20)]
    assert np.mean([row[1] == row[2] for row in rows]) == pytest.approx(result.record["metrics"]["accuracy"])
    for row in rows:
        probabilities = [float(row[3]), float(row[4])]
        assert sum(probabilities) == pytest.approx(1, abs=2e-6)
        assert row[2] == ("not_equivalent", "equivalent")[int(np.argmax(probabilities))]


def test_the_saved_recipe_runs_again_and_gives_the_same_numbers(result: glueft.Result, tmp_path: Path) -> None:
    saved = result.folder / "recipe.toml"
    assert tomllib.loads(saved.read_text())["training"]["evaluation_batch_size"] > 0
    again = glueft.run(glueft.load_recipe(str(saved)), output_dir=tmp_path)
    assert again.record["metrics"] == result.record["metrics"]
    assert again.record["epochs"][0]["loss"] == result.record["epochs"][0]["loss"]
    first, second = (run.folder / "predictions" / "validation.tsv" for run in (result, again))
    assert first.read_bytes() == second.read_bytes()


def test_the_saved_model_gives_the_same_logits(result: glueft.Result) -> None:
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier

    labels = ("not_equivalent", "equivalent")
    loaded = load_classifier(find_checkpoint(str(result.folder / "model")), labels=labels, seed=0)
    assert loaded.report.head == "checkpoint"
    assert loaded.report.left_over == ()
    inputs = {
        "input_ids": np.array([[2, 9, 3, 11, 3]], np.int32),
        "attention_mask": np.ones((1, 5), np.int32),
        "token_type_ids": np.array([[0, 0, 0, 1, 1]], np.int32),
    }
    np.testing.assert_allclose(np.asarray(loaded.model(inputs)), np.asarray(result.model(inputs)), atol=1e-6)


def test_sst2_runs_as_well_and_test_rows_are_predicted_on_demand(tiny_bert: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "SST-2"
    data.mkdir(parents=True)
    rows = "sentence\tlabel\n" + "a fine film\t1\na dull film\t0\n" * 4
    (data / "train.tsv").write_text(rows)
    (data / "dev.tsv").write_text(rows)
    (data / "test.tsv").write_text("index\tsentence\n0\ta fine day\n1\ta dull day\n")
    options = {"name": "sst2", "sample": False, "data_dir": str(tmp_path / "data")}
    recipe = tiny_recipe(tiny_bert, 'data.predict=["validation", "test"]', **options)
    result = glueft.run(recipe, output_dir=tmp_path / "runs")
    assert set(result.record["metrics"]) == {"accuracy"}
    lines = (result.folder / "predictions" / "test.tsv").read_text().splitlines()
    assert len(lines) == 3
    assert [line.split("\t")[1] for line in lines[1:]] == ["", ""]
    assert result.record["data"]["splits"]["test"]["rows"] == 2

    (data / "test.tsv").unlink()
    with pytest.raises(glueft.DataError, match="test"):
        glueft.run(recipe, output_dir=tmp_path / "more")
    assert folders(tmp_path / "more") == []


def test_an_error_in_the_set_up_leaves_nothing_behind(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_bert, sample=False, data_dir=str(tmp_path / "nowhere"))
    with pytest.raises(glueft.DataError):
        glueft.run(recipe, output_dir=tmp_path / "runs")
    assert folders(tmp_path / "runs") == []


@pytest.fixture(scope="module")
def overflowing_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose attention scores are no finite numbers."""
    return make_tiny_bert(tmp_path_factory.mktemp("overflowing") / "bert", scale=1e25)


@pytest.mark.parametrize(
    ("error", "received"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes\n[trace]"), "RESOURCE_EXHAUSTED: Out of"),
    ],
)
def test_a_run_without_memory_says_what_takes_less(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, received: str
) -> None:
    def train(*_: object) -> None:
        raise error

    monkeypatch.setattr("glueft.training.engine.train", train)
    with pytest.raises(glueft.TrainingError, match="memory ran out") as caught:
        glueft.run(tiny_recipe(tiny_bert, "training.batch_size=8"), output_dir=tmp_path)
    assert caught.value.received.startswith(received) and "\n" not in caught.value.received
    less = '{"training.batch_size": 4, "training.gradient_accumulation_steps": 2}'
    assert caught.value.fix == f"start the run anew in less, and in less again where that does not fit: {less}"
    (folder,) = folders(tmp_path)
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"


class Interrupts(RunProgress):
    """Interrupts as Ctrl-C does, in the middle of the training or in the set-up."""

    def __init__(self, where: str) -> None:
        self.where = where

    def step(self, report: Any) -> None:
        if self.where == "training":
            raise KeyboardInterrupt

    def say(self, text: str) -> None:
        if self.where == "setup":
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["setup", "training"])
def test_an_interrupted_run_says_so(tiny_bert: Path, tmp_path: Path, where: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        glueft.run(tiny_recipe(tiny_bert), output_dir=tmp_path, progress=Interrupts(where))
    (folder,) = folders(tmp_path)
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not (folder / "model").exists()


def test_a_run_that_cannot_be_written_says_so(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, line: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("glueft.runs.run.add_line", full)
    with pytest.raises(glueft.RunFolderError, match=r"history.jsonl cannot be written") as caught:
        glueft.run(tiny_recipe(tiny_bert), output_dir=tmp_path)
    (folder,) = folders(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed" and f"glueft resume {folder}" in record["error"]
    assert caught.value.received.startswith("No space left on device (") and "output_dir=..." in caught.value.fix
    assert f'make room, and begin it again with: glueft.resume("{folder}")' in caught.value.fix
    assert sorted(path.name for path in folder.iterdir()) == ["recipe.toml", "run.json"]


TRACKERS = {
    "a-tracker": """
import glueft

@glueft.hookimpl
def glueft_run_finished(run):
    raise ConnectionError("the tracker is away")
""",
    "b-tracker": """
import glueft
import keras

finished = []

@glueft.hookimpl
def glueft_run_finished(run):
    finished.append((run.record["status"], run.model is not None))

class Stop(glueft.Callback):
    \"\"\"Stops the training after some epochs.\"\"\"
    name = "stop"

    class Options(glueft.Options):
        after: int = glueft.Field(gt=0, description="The last epoch.")

    def build(self, run):
        assert run.num_train_steps > 0
        assert run.model is not None
        after = self.options.after

        class KerasStop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                run.log(kind="stop", accuracy=logs["val_accuracy"])
                self.model.stop_training = epoch + 1 == after

        return KerasStop()

@glueft.hookimpl
def glueft_callbacks():
    return [Stop]
""",
}


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two installed plugins: one that fails when a run is over, and one that listens and brings a callback."""
    for package, source in TRACKERS.items():
        install(tmp_path / "site", package, source)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    load_registry.cache_clear()
    yield
    load_registry.cache_clear()
    for module in ("a_tracker", "b_tracker"):
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("trackers")
def test_a_callback_plugin_sees_the_metrics_and_stops_the_run_and_hooks_hear_of_it(
    tiny_bert: Path, tmp_path: Path
) -> None:
    lines: list[str] = []

    class Listening(RunProgress):
        def say(self, text: str) -> None:
            lines.append(text)

    recipe = tiny_recipe(tiny_bert, 'callbacks=[{plugin="stop", after=1}]')
    result = glueft.run(recipe, output_dir=tmp_path / "runs", progress=Listening())
    assert [epoch["epoch"] for epoch in result.record["epochs"]] == [1]
    assert result.record["plugins"]["callbacks"] == ["stop"]
    history = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    (stop,) = [line for line in history if line["kind"] == "stop"]
    assert stop["accuracy"] == pytest.approx(result.record["metrics"]["accuracy"])
    assert (result.folder / "predictions" / "validation.tsv").exists()
    assert sys.modules["b_tracker"].finished == [("done", True)]
    assert [line for line in lines if "the tracker is away" in line and "a-tracker" in line]


@pytest.mark.usefixtures("trackers")
def test_a_loss_that_is_no_number_is_in_the_record_and_hooks_hear_of_it(overflowing_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(glueft.TrainingError):
        glueft.run(tiny_recipe(overflowing_bert), output_dir=tmp_path / "runs")
    (folder,) = folders(tmp_path / "runs")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert re.search("no longer a finite number at step [12] of 6", record["error"])
    assert not (folder / "model").exists()
    assert not (folder / "predictions").exists()
    assert sys.modules["b_tracker"].finished == [("failed", True)]


ASKING = '''
import glueft


class Asking(glueft.Callback):
    """Asks the model for pairs, also with words that the run does not have, and keeps what it says."""

    name = "asking"

    def build(self, run):
        import keras
        import numpy as np

        pairs = [("a zebra plays", "the xylophone"), ("zebras", "play")]
        before = run.predict(pairs)
        assert run.validation_answers is None and run.validation_logits is None
        tokens = run.tokenizer([a for a, _ in pairs], [b for _, b in pairs], padding=True, return_tensors="np")
        run.tokenizer.truncation_side = "left"
        tokens = {name: np.asarray(values, "int32") for name, values in tokens.items()}
        texts = [list(pair) for pair in zip(*run.validation_rows.texts)]
        run.predict(texts[:3])  # words of the run, in a batch of another shape than the run's own

        def ask(batch, logs):
            run.predict(pairs[: 1 + batch % 2])
            run.model.predict_on_batch(tokens)

        def compare(epoch, logs):
            answers, logits = run.predict(pairs), run.model.predict(tokens, verbose=0)
            again, said = run.predict(texts), run.validation_answers
            run.say(answers.probabilities.shape)
            run.log(
                "asked",
                changed=np.abs(before.probabilities - answers.probabilities).max(),
                off=np.abs(logits - np.asarray(run.model(tokens))).max(),
                labels=answers.labels == [run.task.labels[index] for index in logits.argmax(axis=1)],
                validation=np.abs(again.probabilities - said.probabilities).max(),
                rows=[len(run.validation_rows), len(said.labels), *run.validation_logits.shape],
                none=[run.predict([]).labels, *run.predict([]).probabilities.shape],
            )

        return keras.callbacks.LambdaCallback(on_train_batch_end=ask, on_epoch_end=compare)


class Clumsy(glueft.Callback):
    """Divides by zero."""

    name = "clumsy"

    def build(self, run):
        import keras

        return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: 1 / 0)
'''


@pytest.fixture
def asking(tmp_path: Path) -> str:
    (tmp_path / "asking.py").write_text(ASKING)
    return str(tmp_path / "asking.py")


def test_a_callback_that_predicts_changes_nothing(
    result: glueft.Result, tiny_bert: Path, tmp_path: Path, asking: str
) -> None:
    recipe = tiny_recipe(tiny_bert, "callbacks=[{plugin='asking'}]", plugins=[asking])
    asked = glueft.run(recipe, output_dir=tmp_path / "runs")
    assert asked.record["model"] == result.record["model"]  # the SHA-256 of its files, the tokenizer's among them
    assert asked.record["metrics"] == result.record["metrics"]
    first, second = (run.folder / "predictions" / "validation.tsv" for run in (result, asked))
    assert first.read_bytes() == second.read_bytes()
    lines = [json.loads(line) for line in (asked.folder / "history.jsonl").read_text().splitlines()]
    answers = [line for line in lines if line["kind"] == "asked"]
    assert len(answers) == 2
    for line in answers:
        assert line["changed"] > 1e-6 > max(line["off"], line["validation"])
        assert line["labels"] is True
        assert line["rows"] == [20, 20, 20, 2] and line["none"] == [[], 0, 2]


def test_a_callback_that_goes_wrong_is_named_in_the_record(tiny_bert: Path, tmp_path: Path, asking: str) -> None:
    recipe = tiny_recipe(tiny_bert, "callbacks=[{plugin='clumsy'}]", plugins=[asking])
    lines: list[str] = []
    progress = RunProgress()
    progress.say = lines.append  # type: ignore[method-assign]
    with pytest.raises(glueft.PluginError) as caught:
        glueft.run(recipe, output_dir=tmp_path / "runs", progress=progress)
    assert caught.value.message.startswith(f'the callback "clumsy" ({asking}) failed in its `on_train_batch_end`: ')
    (folder,) = folders(tmp_path / "runs")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed" and record["error"] == str(caught.value)
    # Before anything else, the run has said that it cannot be resumed exactly.
    reason = 'the callback "clumsy" does not say what it keeps (state, restore)'
    assert lines[0] == f"this run can be resumed, but not exactly: {reason}"
    assert record["resume"] == {"exact": False, "reasons": [reason]}


@pytest.mark.slow
def test_accumulation_makes_the_steps_of_the_large_batch(
    result: glueft.Result, tiny_bert: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(tiny_bert, "training.batch_size=4", "training.gradient_accumulation_steps=4")
    parts = glueft.run(recipe, output_dir=tmp_path)
    for key in ("num_train_steps", "padding_waste", "trainable_parameters"):
        assert parts.record[key] == result.record[key], key
    rates, expected = (
        [json.loads(line).get("learning_rate") for line in (run.folder / "history.jsonl").read_text().splitlines()]
        for run in (parts, result)
    )
    assert rates == expected
    assert parts.model.rows_at_once is None  # It is its user's: the step is Keras's.
    # The dropout masks are others, the rows and their weights the same.
    assert parts.record["epochs"][1]["loss"] == pytest.approx(result.record["epochs"][1]["loss"], rel=0.1)


def saved_tensors(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def test_freezing_from_a_recipe(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_bert, "model.freeze={embeddings=true, layers=1}", "training.epochs=1")
    result = glueft.run(recipe, output_dir=tmp_path / "runs")
    before, after = saved_tensors(tiny_bert), saved_tensors(result.folder / "model")
    still = {name for name in before if np.array_equal(before[name], after[f"bert.{name}"])}
    assert still == {name for name in before if name.startswith(("embeddings.", "encoder.layer.0."))}
    assert result.record["parameters"] == sum(tensor.size for tensor in after.values())
    frozen = sum(before[name].size for name in still)
    assert result.record["trainable_parameters"] == result.record["parameters"] - frozen

    with pytest.raises(glueft.CheckpointError, match="more layers than the encoder has"):
        glueft.run(tiny_recipe(tiny_bert, "model.freeze.layers=3"), output_dir=tmp_path / "more")
    assert folders(tmp_path / "more") == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's switch for results that repeat")
@pytest.mark.slow  # XLA compiles two trainings
def test_each_run_of_a_process_is_compiled_and_repeats_as_its_recipe_says(tiny_bert: Path, tmp_path: Path) -> None:
    one_shape = ("data.limit_train=16", "data.limit_validation=16", "data.max_length=16", "training.epochs=1")
    results: dict[bool, Any] = {}
    for compiled in (True, False, True, False):
        run = glueft.run(
            tiny_recipe(tiny_bert, *one_shape, f"engine.jit_compile={str(compiled).lower()}"), output_dir=tmp_path
        )
        assert run.record["engine"]["jit_compile"] is bool(run.model.jit_compile) is compiled
        result = [run.record["model"], run.record["metrics"], run.record["epochs"][0]["loss"]]
        assert results.setdefault(compiled, result) == result


def test_lora_from_a_recipe(tiny_bert: Path, tmp_path: Path) -> None:
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier

    recipe = tiny_recipe(tiny_bert, "model.lora_rank=2", "training.epochs=1", "schedule.initial_learning_rate=1e-2")
    result = glueft.run(recipe, output_dir=tmp_path)
    assert result.record["trainable_parameters"] < 0.1 * result.record["parameters"]
    before, after = saved_tensors(tiny_bert), saved_tensors(result.folder / "model")
    still = {name for name in before if np.array_equal(before[name], after[f"bert.{name}"])}
    assert not any(name.startswith("encoder.") and "LayerNorm" not in name and "bias" not in name for name in still)
    assert "embeddings.word_embeddings.weight" in still
    labels = ("not_equivalent", "equivalent")
    loaded = load_classifier(find_checkpoint(str(result.folder / "model")), labels=labels, seed=0)
    assert loaded.report.new == loaded.report.left_over == ()
    inputs = {name: np.ones((2, 5), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    np.testing.assert_allclose(np.asarray(loaded.model(inputs)), np.asarray(result.model(inputs)), atol=1e-5)
