"""The last stages of a comparison: logits, metrics and the files of the model, with given numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def only(comparison: Comparison) -> Stage:
    (stage,) = comparison.stages
    return stage


def test_logits_by_their_fingerprint(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare_logits(comparison, run, {"validation": LOGITS, "test": LOGITS}, LABELS)
    assert only(comparison).status == "equal" and only(comparison).compared == "validation"


def test_other_logits_with_their_size(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare_logits(comparison, run, {"validation": OTHER}, LABELS)
    (unequal,) = only(comparison).differences
    assert unequal.note == "probabilities up to 0.5 apart, 1 row with another label"
    assert unequal.size == pytest.approx(0.503, abs=1e-3)


def test_logits_of_a_receipt_have_no_size(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path, fingerprints={"logits": {"validation": logits_fingerprint(LOGITS)}})
    compare_logits(comparison, Original("receipt.json", run.record, []), {"validation": OTHER}, LABELS)
    (unequal,) = only(comparison).differences
    assert (unequal.size, unequal.note) == (None, "") and "logits of validation: " in str(unequal)


def test_logits_of_a_run_without_fingerprints(tmp_path: Path, comparison: Comparison) -> None:
    run = original(tmp_path)
    compare_logits(comparison, run, {"validation": LOGITS}, LABELS)
    compare_logits(comparison, run, {"validation": OTHER}, LABELS)
    compare_logits(comparison, Original("receipt.json", run.record, []), {"validation": LOGITS}, LABELS)
    assert [stage.status for stage in comparison.stages] == ["equal", "different", "unknown"]


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


def test_model_files_that_the_run_did_not_record(tmp_path: Path, comparison: Comparison) -> None:
    compare_model(comparison, original(tmp_path), {"model.safetensors": "a" * 64})
    assert only(comparison).status == "unknown"
