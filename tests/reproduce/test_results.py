"""The last stages of a comparison: logits, metrics and the files of the model, with given numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.errors import RunFolderError
from glueft.reproduce.original import Original
from glueft.reproduce.results import compare_logits, compare_metrics, compare_model
from glueft.reproduce.stages import Comparison, Stage
from glueft.training.fingerprints import logits_fingerprint
from run_folders import make_run

LABELS = ("not_equivalent", "equivalent")
LOGITS = 2.0 * np.eye(2, dtype=np.float32)[[1, 0, 1]]  # as `make_run` writes them
OTHER = LOGITS + np.float32([[0, 0], [2.5, 0], [0, 0]])[:, ::-1]


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(lambda line: None)


def original(folder: Path, **changes: Any) -> Original:
    return Original.open(str(make_run(folder / "mrpc-42", [1, 0, 1], [1, 0, 1], **changes)))


def compare(comparison: Comparison, run: Original, logits: dict[str, Any]) -> None:
    compare_logits(comparison, run, {split: run.predictions(split, LABELS) for split in logits}, logits, LABELS)


def only(comparison: Comparison) -> Stage:
    (stage,) = comparison.stages
    return stage


def test_logits_by_their_fingerprint(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare(comparison, run, {"validation": LOGITS, "test": LOGITS})
    assert only(comparison).status == "equal" and only(comparison).compared == "validation"


def test_other_logits_with_their_size(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare(comparison, run, {"validation": OTHER})
    (unequal,) = only(comparison).differences
    assert unequal.note == "probabilities up to 0.5 apart, 1 row with another label"
    assert unequal.size == pytest.approx(0.503, abs=1e-3)


def test_logits_of_a_receipt_have_no_size(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare(comparison, Original("receipt.json", run.record, []), {"validation": OTHER})
    (unequal,) = only(comparison).differences
    assert (unequal.size, unequal.note) == (None, "") and "logits of validation: " in str(unequal)


def test_logits_of_a_run_without_fingerprints(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path)
    compare(comparison, run, {"validation": LOGITS})
    compare(comparison, run, {"validation": OTHER})
    compare(comparison, Original("receipt.json", run.record, []), {"validation": LOGITS})
    assert [stage.status for stage in comparison.stages] == ["equal", "different", "unknown"]


def test_predictions_that_were_changed_after_the_run(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    file = tmp_path / "mrpc-42" / "predictions" / "validation.tsv"
    text = file.read_text()
    for before, after in (("0.88", "0.87"), ("\tequivalent\t0.1", "\tnot_equivalent\t0.1")):
        assert before in text
        file.write_text(text.replace(before, after, 1))
        compare(comparison, run, {"validation": LOGITS})
    for stage in comparison.stages:
        assert stage.status == "different"
        assert stage.differences[0].why == "predictions/validation.tsv of the run folder was changed after the run"
    file.write_text("")
    with pytest.raises(RunFolderError):
        run.predictions("validation", LABELS)


def test_metrics_that_the_run_has(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path)
    compare_metrics(comparison, run, {"validation": {"accuracy": 0.5, "f1": 0.5, "recall": 1.0}})
    compare_metrics(comparison, run, {"validation": {"accuracy": 0.5, "f1": 0.25}})
    compare_metrics(comparison, run, {"validation": {"accuracy": 0.5}})
    assert [stage.status for stage in comparison.stages] == ["equal", "different", "different"]
    assert [str(stage.differences[0]) for stage in comparison.stages[1:]] == [
        "f1 of validation: 0.5 in the run, 0.25 now (0.25 apart)",
        "f1 of validation: 0.5 in the run, none now",
    ]


def test_the_weights_count_and_other_files_are_named(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, model={"sha256": {"model.safetensors": "a" * 64, "tokenizer_config.json": "b" * 64}})
    compare_model(comparison, run, {"model.safetensors": "a" * 64, "tokenizer_config.json": "c" * 64})
    compare_model(comparison, run, {"model.safetensors": "d" * 64, "tokenizer_config.json": "b" * 64})
    equal, different = comparison.stages
    assert equal.status == "equal" and equal.compared == "2 files; of other text: tokenizer_config.json"
    assert [unequal.what for unequal in different.differences] == ["model.safetensors"]


def test_weights_that_were_changed_after_the_run(finished_run: Path, tmp_path: Path, comparison: Comparison) -> None:
    run = Original.open(str(shutil.copytree(finished_run, tmp_path / "mrpc-42")))
    recorded = run.record.model.sha256
    compare_model(comparison, run, recorded)
    weights = tmp_path / "mrpc-42" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    compare_model(comparison, run, recorded)
    weights.unlink()
    compare_model(comparison, run, recorded)
    assert [stage.status for stage in comparison.stages] == ["equal", "different", "equal"]
    (unequal,) = comparison.stages[1].differences
    assert unequal.why == "model/model.safetensors of the run folder was changed after the run"


def test_model_files_that_the_run_did_not_record(finished_run: Path, tmp_path: Path, comparison: Comparison) -> None:
    """They are those of its folder, if it has a model."""
    run = shutil.copytree(finished_run, tmp_path / "copy")
    files = dict(Original.open(str(run)).record.model.sha256)
    record = json.loads((run / "run.json").read_text())
    del record["model"]
    (run / "run.json").write_text(json.dumps(record))
    compare_model(comparison, Original.open(str(run)), files)
    compare_model(comparison, Original.open(str(run)), files | {"model.safetensors": "a" * 64})
    compare_model(comparison, original(tmp_path), files)
    assert [stage.status for stage in comparison.stages] == ["equal", "different", "unknown"]
