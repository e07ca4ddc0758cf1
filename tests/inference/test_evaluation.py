"""A saved model is measured as its run measured it, and what is other than in the run is pointed out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import glueft
from glue_files import FILES, write_file
from glueft.comparison.compare import compare_runs
from glueft.encoder.checkpoint import find_checkpoint
from glueft.errors import CheckpointError, DataError, RunFolderError
from glueft.inference.evaluate import choose_splits, evaluate_checkpoint, evaluate_run, refuse_other_labels
from glueft.inference.predictor import load_run_model
from glueft.page.texts import read_texts
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.task_parts import load_task_parts
from glueft.runs.inputs import changed_inputs
from glueft.runs.run import Run

TASK_FILE = '''
"""Rain or not."""
import datasets
import glueft
from glueft.training import engine

class Rain(glueft.Task):
    """Does it rain?"""
    name = "rain"
    inputs = ("text",)
    labels = ("dry", "wet")

    def load(self, source):
        def rows(texts, labels):
            return datasets.Dataset.from_dict({"text": texts, "label": labels}).cast_column(
                "label", datasets.ClassLabel(names=["dry", "wet"])
            )
        return datasets.DatasetDict(
            train=rows(["It rains.", "Sun."] * 4, [1, 0] * 4), validation=rows(["Rain!", "Dry.", "Sun"], [1, 0, 0])
        )
'''


def train(tiny_bert: Path, folder: Path, name: str, *overrides: str, **options: Any) -> Path:
    recipe = load_recipe(name, ["training.epochs=1", *overrides], checkpoint=str(tiny_bert), **options)
    return glueft.run(recipe, output_dir=folder).folder


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_equal(folder: Path, **options: Any) -> dict[str, Any]:
    """Evaluate, and see that every number and prediction is the run's."""
    run = Run.open(folder)
    result = evaluate_run(run, **options)
    assert result["metrics"] == run.record["metrics"]
    assert result["intervals"] == run.record["intervals"]
    for split, metrics in run.record.shown_metrics().items():
        found = result["intervals"][split]
        assert found and [*found] == [name for name in metrics if name in found]
        assert all(low <= metrics[name] <= high for name, (low, high) in found.items())
    comparison = result["comparison"]
    assert comparison["equal"] is True and comparison["differences"] == []
    assert all(split["other_labels"] == split["furthest_apart"] == 0 for split in comparison["splits"].values())
    assert all(split["same_rows"] for split in comparison["splits"].values())
    assert comparison["summary"].startswith("equal to the run's own numbers to the last digit")
    return result


def test_the_numbers_are_the_run_s_to_the_last_digit_and_nothing_is_written(finished_run: Path) -> None:
    before = fingerprints(finished_run)
    result = assert_equal(finished_run)
    assert fingerprints(finished_run) == before
    described = result["data"]["splits"]["validation"]
    assert described == Run.open(finished_run).record["data"]["splits"]["validation"]
    assert result["run_dir"] == str(finished_run) and result["task"] == "mrpc"
    assert result["checkpoint"]["sha256"] == Run.open(finished_run).record["model"]["sha256"]
    assert 0 < result["seconds"]["evaluate"] < result["seconds"]["total"]
    json.dumps(result)


def test_a_regression_s_too(finished_regression_run: Path) -> None:
    assert set(assert_equal(finished_regression_run)["metrics"]) == {"pearson", "spearmanr"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        # Rounded to bfloat16, a kernel and what LoRA adds to it are not their sum: the sum is what is saved.
        ('engine.precision="mixed_bfloat16"', "model.lora_rank=4", "schedule.initial_learning_rate=1e-2"),
        pytest.param(
            ("engine.jit_compile=true",), marks=pytest.mark.slow(reason="compiles each width twice: about 20 s")
        ),
    ],
)
def test_so_are_those_of_a_run_in_another_precision_or_compiled(
    tiny_bert: Path, tmp_path: Path, overrides: Sequence[str]
) -> None:
    few = ("data.limit_train=16", "data.limit_validation=24", "data.limit_draw=stratified")
    folder = train(tiny_bert, tmp_path, "stsb", *few, *overrides, sample=True)
    assert_equal(folder)
    run = Run.open(folder)
    assert run.record["data"]["notes"][0] == "train is limited to 16 of 60 rows, drawn by score"
    assert read_texts(run, "validation").missing == ""  # The report finds the very rows again.
    result = evaluate_run(run)
    assert result["other_metrics_by_split"] == {"validation": run.record["other_metrics"]}
    assert list(run.record["other_metrics"]) == ["mae", "rmse"] and run.record["baseline"].keys() >= {"mae", "rmse"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_so_are_those_of_a_run_whose_model_keras_cannot_compile(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: False)
    few = ("data.limit_train=16", "data.limit_validation=24")
    folder = train(tiny_bert, tmp_path, "stsb", *few, "engine.jit_compile=true", sample=True)
    described = Run.open(folder).record["engine"]
    assert described["widths"] and not described["jit_compile"]
    assert_equal(folder)


def test_so_are_those_of_rows_that_were_held_out_of_the_training(tiny_bert: Path, tmp_path: Path) -> None:
    held = ("data.held_out=0.25", "data.limit_train=24", "training.keep=best", "data.max_length=16")
    folder = train(tiny_bert, tmp_path, "mrpc", *held, sample=True)
    run = Run.open(folder)
    record = run.record
    assert (record.primary_split, record.data.splits["held_out"].rows, record.data.splits["train"].rows) == (
        "held_out",
        6,
        18,
    )
    assert run.splits() == ("held_out",) and "validation" not in record.data.splits
    assert record.kept is not None and record.published == []
    assert record.fingerprints.recipe["data"]["held_out"] == 0.25
    assert {file.kind for file in record.inputs} == {"data", "checkpoint"} and changed_inputs(record) == []
    assert_equal(folder)
    assert read_texts(run, "held_out").missing == ""
    # The validation rows can still be looked at, and are others than those that the run was measured on.
    official = evaluate_run(run, ["validation"])
    assert official["split"] == "validation" and official["comparison"]["equal"] is None
    assert official["published"] and official["data"]["splits"]["validation"].keys() & {"part_of"} == set()
    assert evaluate_run(run, ["train"])["comparison"]["splits"]["train"]["same_rows"] is True
    assert compare_runs([folder, folder])["split"] == "held_out"


def test_every_validation_split_is_measured_or_one_of_them(finished_mnli_run: tuple[Path, list[str]]) -> None:
    folder = finished_mnli_run[0]
    by_split = Run.open(folder).record["metrics_by_split"]
    assert assert_equal(folder)["metrics_by_split"] == by_split
    one = evaluate_run(Run.open(folder), ["validation_mismatched"])
    assert one["metrics_by_split"] == {"validation_mismatched": by_split["validation_mismatched"]}
    assert one["split"] == "validation_mismatched" and one["comparison"]["equal"] is True
    # Rows that the run has read, but not measured.
    result = evaluate_run(Run.open(folder), ["train"])
    trained_on = result["comparison"]
    assert result["published"] == [] and {score["split"] for score in one["published"]} == {"validation_mismatched"}
    assert trained_on["equal"] is None and trained_on["summary"] == "the run itself did not measure train"
    assert trained_on["splits"]["train"]["same_rows"] is True
    with pytest.raises(DataError, match='the test_matched split of task "mnli" has no labels') as caught:
        evaluate_run(Run.open(folder), ["test"])
    assert "glueft predict" in caught.value.fix and caught.value.received == "none in 2 rows"


def test_rows_are_read_from_another_folder_without_the_other_splits(finished_run: Path, tmp_path: Path) -> None:
    header, rows = FILES["mrpc"]["MRPC/dev.tsv"]
    write_file(tmp_path / "MRPC" / "dev.tsv", header, rows * 3)
    result = evaluate_run(Run.open(finished_run), data_dir=str(tmp_path))
    comparison = result["comparison"]
    split = comparison["splits"]["validation"]
    own = Run.open(finished_run).record["data"]["splits"]["validation"]
    assert split["rows"] == {"run": own["rows"], "now": 3}
    assert split["same_rows"] is False and split["other_labels"] is None and split["furthest_apart"] is None
    assert split["sha256"]["run"] == own["sha256"] != split["sha256"]["now"]
    assert comparison["equal"] is False
    assert comparison["summary"] == "other rows than the run's own: the numbers are not about the same thing"
    assert comparison["differences"] == [
        f"validation rows: the run had {own['rows']} (SHA-256 {own['sha256'][:12]}...), "
        f"these are 3 (SHA-256 {split['sha256']['now'][:12]}...)"
    ]


def test_splits_are_those_of_the_task_and_of_the_data(finished_run: Path, tmp_path: Path) -> None:
    assert choose_splits(Run.open(finished_run).parts, ["test", "validation", "test"]) == ("test", "validation")
    with pytest.raises(DataError, match='has no split called "tets"') as caught:
        evaluate_run(Run.open(finished_run), ["tets"])
    assert 'did you mean "test"' in caught.value.fix
    with pytest.raises(DataError, match="holds none of the task's files"):
        evaluate_run(Run.open(finished_run), ["test"], data_dir=str(write_dev_alone(tmp_path)))


def write_dev_alone(folder: Path) -> Path:
    header, rows = FILES["mrpc"]["MRPC/dev.tsv"]
    write_file(folder / "MRPC" / "dev.tsv", header, rows)
    return folder


@pytest.fixture
def table(tiny_bert: Path, tmp_path: Path) -> Path:
    """A run of the task `table`, which learns its labels from its rows."""
    rows = ["text,mood", *(f"{text},{label}" for text, label in (("It rains.", "sad"), ("Sun!", "glad")) * 6)]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
    options = [f'task.{key}="{value}"' for key, value in (("text", "text"), ("label", "mood"))]
    options += [f'task.{key}="{tmp_path / file}.csv"' for key, file in (("train", "train"), ("validation", "dev"))]
    recipe = tmp_path / "table.toml"
    text = Path(glueft.__file__).parent.parent.joinpath("recipes", "stsb.toml").read_text()
    recipe.write_text(text.replace('plugin = "stsb"', 'plugin = "table"'))
    return train(tiny_bert, tmp_path / "runs", str(recipe), *options)


def test_a_table_s_own_files(table: Path, tmp_path: Path) -> None:
    assert set(assert_equal(table)["metrics"]) == {"accuracy", "f1"}
    # A file of today, whose rows have labels although they are test rows.
    (tmp_path / "holdout.csv").write_text("text,mood\nIt rains.,sad\nIt rains a lot.,sad\n")
    result = evaluate_run(Run.open(table), ["test"], [f'task.test="{tmp_path / "holdout.csv"}"'])
    assert result["data"]["splits"]["test"]["rows"] == 2
    assert result["comparison"]["equal"] is None
    assert result["comparison"]["differences"] == [f"task.test: the run had none, now {tmp_path / 'holdout.csv'}"]
    # A label that the model does not know; the labels are learnt from the training rows.
    for name in ("train", "dev"):
        with (tmp_path / f"{name}.csv").open("a") as file:
            file.write("Fog.,odd\n")
    with pytest.raises(DataError, match="the labels of the validation rows are not those of the model") as caught:
        evaluate_run(Run.open(table))
    assert caught.value.expected == '"glad", "sad"' and caught.value.received == '"glad", "odd", "sad"'


def test_a_task_from_a_file_and_what_has_changed_since_the_run(tiny_bert: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "rain.py"
    plugin.write_text(TASK_FILE)
    options = ("task.plugin=rain", "training.batch_size=4")
    folder = train(tiny_bert, tmp_path / "runs", "sst2", *options, plugins=[plugin], data_dir=str(tmp_path))
    assert_equal(folder)
    plugin.write_text(TASK_FILE.replace("Dry.", "Fog."))
    record = json.loads((folder / "run.json").read_text())
    record["versions"]["keras"] = "1.0"
    record["host"]["cpus"] = 1000
    (folder / "run.json").write_text(json.dumps(record))
    with (folder / "model" / "tokenizer_config.json").open("a") as file:
        file.write("\n")
    with pytest.raises(RecipeError, match="it is not run, for a run folder names it") as caught:
        evaluate_run(Run.open(folder))
    assert f"add --trust, or --plugin {plugin}" in caught.value.fix
    result = evaluate_run(Run.open(folder), overrides=["data.max_length=16"], trust=True)
    rows, *others = result["comparison"]["differences"]
    assert rows.startswith("validation rows: the run had 3 (SHA-256 ")
    assert others == [
        "model folder: tokenizer_config.json changed since the run",
        f"plugin file {plugin}: changed since the run",
        "data.max_length: the run had 128, now 16",
        f"host cpus: the run had 1000, now {result['host']['cpus']}",
        f"keras: the run had 1.0, now {result['versions']['keras']}",
    ]


def test_another_model_s_numbers_are_told(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    weights = folder / "model" / "model.safetensors"
    tensors = load_file(weights)
    # The head's rows exchanged: every answer is the other one.
    head = {name: tensors[name][::-1].copy() for name in ("classifier.weight", "classifier.bias")}
    save_file(tensors | head, weights)
    comparison = evaluate_run(Run.open(folder))["comparison"]
    assert comparison["equal"] is False
    assert comparison["splits"]["validation"]["other_labels"] == 153
    assert comparison["splits"]["validation"]["furthest_apart"] > 0
    assert "predicted labels that changed: 153; the differences below may be why" in comparison["summary"]
    assert comparison["differences"] == ["model folder: model.safetensors changed since the run"]
    record = json.loads((folder / "run.json").read_text())
    del record["model"]
    (folder / "run.json").write_text(json.dumps(record))
    # The last bits alone, as another backend or machine has them: less than any row is from the other label.
    save_file(tensors | {"classifier.bias": tensors["classifier.bias"] + np.float32([0, 4e-7])}, weights)
    comparison = evaluate_run(Run.open(folder))["comparison"]
    apart = comparison["splits"]["validation"]["furthest_apart"]
    assert 0 < apart <= 2e-6 and comparison["equal"] is False
    assert comparison["summary"] == (
        "equal to the run's own in every metric and predicted label, while predictions are up to "
        f"{apart:.2g} apart: nothing that run.json holds says why"
    )


@pytest.fixture
def checkpoint(finished_run: Path, tmp_path: Path) -> Path:
    """A classification checkpoint that belongs to no run, and may be changed."""
    return shutil.copytree(finished_run / "model", tmp_path / "classifier")


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def measure(checkpoint: Path, task: str = "mrpc", labels: Sequence[str] = ()) -> dict[str, Any]:
    return evaluate_checkpoint(load_task_parts(task, str(checkpoint), sample=True), labels=labels)


def test_a_checkpoint_is_measured_by_its_labels_names(checkpoint: Path, finished_run: Path) -> None:
    result = measure(checkpoint)
    accuracy = Run.open(finished_run).record["metrics"]["accuracy"]
    assert result["metrics"] == Run.open(finished_run).record["metrics"]
    assert result["run_dir"] is None and result["comparison"] is None
    assert result["checkpoint"]["name"] == str(checkpoint)
    # The other way round, every right answer is a wrong one.
    swapped = {"equivalent": 0, "not_equivalent": 1}
    edit_config(checkpoint, id2label={str(index): name for name, index in swapped.items()}, label2id=swapped)
    assert measure(checkpoint)["metrics"]["accuracy"] == pytest.approx(1 - accuracy)
    result = measure(checkpoint, labels=["not_equivalent", "equivalent"])
    assert result["metrics"]["accuracy"] == accuracy


def test_a_checkpoint_whose_labels_do_not_fit_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match='does not fit the task "mnli"') as caught:
        measure(checkpoint, "mnli")
    assert caught.value.received == 'the checkpoint\'s: "not_equivalent", "equivalent"'
    assert "--label" not in caught.value.fix
    with pytest.raises(CheckpointError, match='does not fit the task "stsb"'):
        measure(checkpoint, "stsb")
    several: Any = SimpleNamespace(name="notes", labels=("equivalent", "not_equivalent"), multi_label=True)
    with pytest.raises(CheckpointError, match='does not fit the task "notes"') as caught:
        refuse_other_labels(find_checkpoint(str(checkpoint)), several)
    assert "write problem_type = multi_label_classification into its config.json" in caught.value.fix
    edit_config(checkpoint, id2label=None)
    with pytest.raises(CheckpointError, match='does not fit the task "mrpc"') as caught:
        measure(checkpoint)
    assert caught.value.received == 'the checkpoint\'s: "LABEL_0", "LABEL_1"'
    assert "--label not_equivalent --label equivalent" in caught.value.fix
    with pytest.raises(CheckpointError, match="too few, too many or not each once"):
        measure(checkpoint, labels=["equivalent"])
    with pytest.raises(CheckpointError, match='does not fit the task "mrpc"'):
        measure(checkpoint, labels=["one", "two"])


def test_an_encoder_without_a_head_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no classification head"):
        measure(tiny_bert)


def test_a_task_that_is_none_is_told_with_its_neighbour(checkpoint: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_task_parts("mrcp", str(checkpoint), ["data.max_lenght=3"], sample=True)
    assert "task.plugin (--task mrcp)" in str(caught.value) and 'did you mean "mrpc"' in str(caught.value)
    assert 'did you mean "max_length"' in str(caught.value)


def test_predictions_that_are_promised_and_missing_are_told(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(folder / "predictions")
    with pytest.raises(RunFolderError, match=r"validation\.tsv: there is no such file"):
        evaluate_run(Run.open(folder))


@pytest.mark.slow(reason="trains the sample encoder: about 15 s")
def test_a_real_run_on_real_rows(glue_data: Path, minilm: str, tmp_path: Path) -> None:
    few = ["training.epochs=1", "data.limit_train=16", "data.limit_validation=64"]
    recipe = load_recipe("mrpc", few, checkpoint=minilm, data_dir=str(glue_data))
    assert_equal(glueft.run(recipe, output_dir=tmp_path).folder)


class TakenError(Exception):
    """Holds the backend that was asked for, in place of loading a model with it."""


def test_only_a_backend_that_is_named_anew_counts(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is the same on every backend; that of the recipe need not be installed."""
    shutil.copytree(finished_run, tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('backend = "auto"', 'backend = "torch"'))
    run = Run.open(tmp_path / "run")
    assert run.sections.engine.backend == "torch"

    def take(setting: str, run: Any = None) -> None:
        raise TakenError(setting)

    monkeypatch.setattr("glueft.training.backend.use_backend", take)
    for overrides, taken in (([], "auto"), (["engine.backend=torch"], "torch"), (["engine.backend=jax"], "jax")):
        with pytest.raises(TakenError, match=f"^{taken}$"):
            evaluate_run(run, overrides=overrides)
    for named, taken in (("auto", "auto"), ("torch", "torch")):
        with pytest.raises(TakenError, match=f"^{taken}$"):
            load_run_model(run, backend=named)
