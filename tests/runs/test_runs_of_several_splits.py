"""Runs of tasks with several validation splits, or with test splits of a kind of their own, on a tiny real BERT."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import glueft
from glue_files import DIAGNOSTIC_FULL, write_file, write_glue
from glueft.recipe import load_recipe
from glueft.runs.record import read_record
from glueft.terminal.progress import PlainProgress


def shown_at_the_end(folder: Path) -> str:
    stream = io.StringIO()
    PlainProgress(stream).finished(read_record(folder / "run.json"))
    return stream.getvalue()


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


@pytest.fixture(scope="module")
def mnli(finished_mnli_run: tuple[Path, list[str]]) -> Path:
    return finished_mnli_run[0]


def predictions(folder: Path) -> dict[str, list[list[str]]]:
    files = sorted((folder / "predictions").iterdir())
    return {file.name: [line.split("\t") for line in file.read_text().splitlines()[1:]] for file in files}


def test_both_validation_splits_are_scored_and_predicted(mnli: Path) -> None:
    record = record_of(mnli)
    by_split = record["metrics_by_split"]
    assert list(by_split) == ["validation_matched", "validation_mismatched"]
    assert record["metrics"] == by_split["validation_matched"] == record["epochs"][-1]["metrics"]
    assert record["data"]["validation_split"] == "validation_matched"
    written = predictions(mnli)
    assert list(written) == ["test_mismatched.tsv", "validation_matched.tsv", "validation_mismatched.tsv"]
    for split, metrics in by_split.items():
        rows = written[f"{split}.tsv"]
        assert sum(row[1] == row[2] for row in rows) / len(rows) == pytest.approx(metrics["accuracy"])
    assert [row[1] for row in written["test_mismatched.tsv"]] == [""]
    assert {row[2] for rows in written.values() for row in rows} <= {"entailment", "neutral", "contradiction"}


def test_every_split_of_another_size_is_named(finished_mnli_run: tuple[Path, list[str]]) -> None:
    folder, lines = finished_mnli_run
    data = record_of(folder)["data"]
    notes = [
        "train has 3 rows; officially it has 392,702",
        "validation_matched has 1 row; officially it has 9,815",
        "validation_mismatched has 2 rows; officially it has 9,832",
        "test_matched has 2 rows; officially it has 9,796",
        "test_mismatched has 1 row; officially it has 9,847",
    ]
    assert [line for line in lines if "officially" in line] == notes == data["notes"]
    assert data["splits"]["train"]["official_rows"] == 392_702


def test_the_last_table_has_both_splits_and_what_to_set_beside_them(mnli: Path) -> None:
    text = shown_at_the_end(mnli)
    assert text.startswith("\nmnli: 1 validation_matched row\n")
    mismatched = record_of(mnli)["metrics_by_split"]["validation_mismatched"]["accuracy"]
    low, high = record_of(mnli)["intervals"]["validation_mismatched"]["accuracy"]
    for part in (
        f"validation_mismatched  accuracy  {mismatched:.4f}  {low:.4f} to {high:.4f}",
        "accuracy 0.8391 on validation_matched (bert-base-cased)",
        "accuracy 0.8410 on validation_mismatched (bert-base-cased)",
        "value     95 % interval  baseline\n",
    ):
        assert part in text, text
    assert "officially" not in text  # it was said at the beginning


def test_the_record_has_baseline_and_published_scores(mnli: Path) -> None:
    record = record_of(mnli)
    # The three labels are as common as each other in training, and the first of them is not the validation row's.
    assert record["baseline"] == {"accuracy": 0.0}
    by_split = record["baseline_by_split"]
    assert [*by_split] == ["validation_matched", "validation_mismatched"] and by_split["validation_matched"] == {
        "accuracy": 0.0
    }
    assert record["majority_accuracy"] == 1.0
    assert record["published"][0]["metrics"] == {"accuracy": 0.8391}
    assert "README.md" in record["published"][0]["source"]


def test_the_diagnostic_set_is_predicted_by_a_model_trained_on_mnli(tiny_bert: Path, tmp_path: Path) -> None:
    glue = write_glue(tmp_path / "glue", "mnli")
    rows = [("", "", "", "", "", "It rains.", "It pours.", "neutral")]
    write_file(glue / "diagnostic" / "diagnostic-full.tsv", DIAGNOSTIC_FULL, rows)
    recipe = load_recipe("ax", ["training.epochs=1"], checkpoint=str(tiny_bert), data_dir=str(glue))
    result = glueft.run(recipe, output_dir=tmp_path / "runs")
    assert result.record["task"] == "ax"
    assert set(result.record["metrics"]) == {"matthews_correlation"}
    assert list(result.record["metrics_by_split"]) == ["validation_matched", "diagnostic"]
    assert [row[1] for row in predictions(result.folder)["diagnostic.tsv"]] == ["neutral"]
    assert result.record["data"]["trained_on"]["folder"].endswith("MNLI")


def test_a_regression_on_its_sample(finished_regression_run: Path) -> None:
    record = record_of(finished_regression_run)
    assert list(record["metrics"]) == ["pearson", "spearmanr"]
    errors = record["other_metrics"]
    assert list(errors) == ["mae", "rmse"] and 0 < errors["mae"] <= errors["rmse"]
    baseline = record["baseline"]
    assert (baseline["pearson"], baseline["spearmanr"], list(baseline)[2:]) == (0.0, 0.0, ["mae", "rmse"])
    table = shown_at_the_end(finished_regression_run)
    assert f"{errors['mae']:.4f}" in table and f"{errors['rmse']:.4f}" in table
    assert record["majority_accuracy"] is None
    assert "published" not in table  # A sample's score says nothing beside GLUE's.
    assert len(predictions(finished_regression_run)["validation.tsv"]) == 40
