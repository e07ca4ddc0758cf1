"""A saved model predicts what its run did, and a folder that is not whole is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glueft.data.rows import Rows, load_rows
from glueft.data.sources import make_source
from glueft.data.windows import Windowing
from glueft.encoder.input_file import InputRule, InputWindows, read_input_rule, write_input_rule
from glueft.errors import CheckpointError, DataError, RunFolderError, TrainingError
from glueft.inference.predictor import load_saved_model
from glueft.metrics import softmax
from glueft.metrics.decision import DecisionRule
from glueft.runs.run import Run


def test_a_run_s_model_predicts_what_the_run_did(finished_run: Path) -> None:
    saved = load_saved_model(finished_run)
    assert saved.run is not None and saved.task is not None
    recipe = saved.run.parts
    rows = load_rows(saved.task, make_source(recipe.data, saved.task))["validation"]
    logits = saved.logits(rows)
    written = saved.run.predictions("validation")
    assert [saved.labels[index] for index in logits.argmax(axis=1)] == written.predictions
    assert np.abs(softmax(logits) - written.probabilities).max() <= 5.1e-7
    assert saved.labels == ("not_equivalent", "equivalent")
    assert (saved.pair, saved.max_length, saved.evaluation_batch_size) == (True, 128, 64)
    assert saved.checkpoint.folder == finished_run / "model"


def test_the_model_folder_alone_is_a_checkpoint_without_a_task(finished_run: Path, tmp_path: Path) -> None:
    assert load_saved_model(finished_run / "model").run is not None
    folder = shutil.copytree(finished_run / "model", tmp_path / "alone")
    assert read_input_rule(folder) == InputRule(max_length=128)
    write_input_rule(folder, InputRule(max_length=24, windows=InputWindows(stride=4, pool="max")))
    alone = load_saved_model(folder)
    assert (alone.run, alone.task, alone.pair) == (None, None, None)
    assert alone.labels == ("not_equivalent", "equivalent")
    assert (alone.max_length, alone.windowing) == (24, Windowing(4, "max"))


def test_another_precision_on_request(finished_run: Path, tmp_path: Path) -> None:
    """Logits a little apart, and the same labels but for rows whose two labels are as likely."""
    own, other = load_saved_model(finished_run), load_saved_model(finished_run, precision="mixed_bfloat16")
    assert (own.precision, other.precision) == ("float32", "mixed_bfloat16")
    assert own.task is not None and own.run is not None
    rows = load_rows(own.task, make_source(own.run.parts.data, own.task))["validation"]
    logits, apart = own.logits(rows), other.logits(rows)
    assert 0 < np.abs(apart - logits).max() < 1e-2
    changed = apart.argmax(axis=1) != logits.argmax(axis=1)
    assert np.abs(logits[changed, 0] - logits[changed, 1]).max(initial=0) < 2e-2 and changed.mean() < 0.05
    alone = shutil.copytree(finished_run / "model", tmp_path / "alone")
    assert load_saved_model(alone).precision == "float32"
    assert load_saved_model(alone, precision="mixed_bfloat16").precision == "mixed_bfloat16"
    for path in (finished_run, alone):
        with pytest.raises(TrainingError, match='no precision is called "bfloat16"') as caught:
            load_saved_model(path, precision="bfloat16")
        assert "mixed_bfloat16" in caught.value.fix and "mixed_float16" in caught.value.expected


def test_a_regression_has_no_labels(finished_regression_run: Path, tmp_path: Path) -> None:
    saved = load_saved_model(finished_regression_run)
    assert saved.labels == () and saved.classifier.labels == ()
    assert load_saved_model(shutil.copytree(finished_regression_run / "model", tmp_path / "alone")).labels == ()


def test_an_encoder_without_a_head_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no classification head") as caught:
        load_saved_model(tiny_bert)
    assert "classifier.bias" in caught.value.expected


def test_a_head_of_several_labels_a_row_decides_each_by_itself(finished_run: Path, tmp_path: Path) -> None:
    alone, texts = shutil.copytree(finished_run / "model", tmp_path / "model"), (["A row."], ["Another row."])
    one = load_saved_model(alone)
    config = json.loads((alone / "config.json").read_text()) | {"problem_type": "multi_label_classification"}
    (alone / "config.json").write_text(json.dumps(config))
    saved = load_saved_model(alone)
    rows = Rows("input", texts, np.full(1, -1, np.int32), saved.labels)
    logits = one.logits(rows)
    assert (saved.logits(rows) == logits).all() and saved.rule == DecisionRule(multi_label=True)
    answers = saved.answer(texts)
    assert np.allclose(answers.probabilities, 1 / (1 + np.exp(-logits)))
    assert answers.labels == [[label for label, logit in zip(saved.labels, logits[0], strict=True) if logit >= 0]]
    with pytest.raises(DataError, match="not of the model's kind") as caught:
        saved.label_indices(replace(rows, labels=np.zeros(1, np.int32)))
    assert caught.value.expected == "any number of labels a row"
    folder = shutil.copytree(finished_run, tmp_path / "run")
    shutil.copy(alone / "config.json", folder / "model")
    with pytest.raises(RunFolderError, match="the model is that of another task") as other:
        load_saved_model(folder)
    assert other.value.received.endswith("with problem_type multi_label_classification")


def test_a_model_of_another_task_is_refused(finished_run: Path, finished_regression_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(folder / "model")
    with pytest.raises(RunFolderError, match="the model is missing"):
        load_saved_model(folder)
    shutil.copytree(finished_regression_run / "model", folder / "model")
    with pytest.raises(RunFolderError, match="the model is that of another task") as caught:
        load_saved_model(folder)
    assert (caught.value.expected, caught.value.received) == (
        'the labels of the task "mrpc": "not_equivalent", "equivalent"',
        "none (a regression)",
    )


def test_a_folder_that_is_neither_a_run_nor_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="this is not a run folder"):
        load_saved_model(tmp_path)


def test_a_labels_task_learns_them_from_the_model(finished_run: Path) -> None:
    assert Run.open(finished_run).labels == ("not_equivalent", "equivalent")
