"""Runs of tasks with several validation splits, or with test splits of a kind of their own, on a tiny real BERT."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

import glueft
from glue_files import DIAGNOSTIC_FULL, write_file, write_glue
from glueft import launch
from glueft.recipe import load_recipe
from glueft.runs.record import read_record
from glueft.terminal.progress import PlainProgress
from glueft.terminal.result_tables import result_table
from glueft.training.observers import RunProgress


class Listening(RunProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def text_of(table: Table) -> str:
    stream = io.StringIO()
    PlainProgress(stream).tables(table)
    return stream.getvalue()


def run(tiny_bert: Path, folder: Path, name: str, *overrides: str, **options: Any) -> tuple[launch.Result, list[str]]:
    listening = Listening()
    recipe = load_recipe(name, ["training.epochs=1", *overrides], checkpoint=str(tiny_bert), **options)
    return glueft.run(recipe, output_dir=folder, progress=listening), listening.lines


@pytest.fixture(scope="module")
def mnli(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[launch.Result, list[str]]]:
    folder = tmp_path_factory.mktemp("mnli")
    write_glue(folder / "glue", "mnli")
    yield run(
        tiny_bert,
        folder / "runs",
        "mnli",
        'data.predict=["validation", "test_mismatched"]',
        data_dir=str(folder / "glue"),
    )


def predictions(result: launch.Result) -> dict[str, list[list[str]]]:
    files = sorted((result.folder / "predictions").iterdir())
    return {file.name: [line.split("\t") for line in file.read_text().splitlines()[1:]] for file in files}


def test_both_validation_splits_are_scored_and_predicted(mnli: tuple[launch.Result, list[str]]) -> None:
    record = json.loads((mnli[0].folder / "run.json").read_text())
    by_split = record["metrics_by_split"]
    assert list(by_split) == ["validation_matched", "validation_mismatched"]
    assert record["metrics"] == by_split["validation_matched"] == record["epochs"][-1]["metrics"]
    assert record["data"]["validation_split"] == "validation_matched"
    written = predictions(mnli[0])
    assert list(written) == ["test_mismatched.tsv", "validation_matched.tsv", "validation_mismatched.tsv"]
    for split, metrics in by_split.items():
        rows = written[f"{split}.tsv"]
        assert sum(row[1] == row[2] for row in rows) / len(rows) == pytest.approx(metrics["accuracy"])
    assert [row[1] for row in written["test_mismatched.tsv"]] == [""]
    assert {row[2] for rows in written.values() for row in rows} <= {"entailment", "neutral", "contradiction"}


def test_every_split_of_another_size_is_named(mnli: tuple[launch.Result, list[str]]) -> None:
    result, lines = mnli
    notes = [
        "train has 3 rows; officially it has 392,702",
        "validation_matched has 1 row; officially it has 9,815",
        "validation_mismatched has 2 rows; officially it has 9,832",
        "test_matched has 2 rows; officially it has 9,796",
        "test_mismatched has 1 row; officially it has 9,847",
    ]
    assert [line for line in lines if "officially" in line] == notes == result.record["data"]["notes"]
    assert result.record["data"]["splits"]["train"]["official_rows"] == 392_702


def test_the_last_table_has_both_splits_and_what_to_set_beside_them(mnli: tuple[launch.Result, list[str]]) -> None:
    text = text_of(result_table(read_record(mnli[0].folder / "run.json")))
    assert text.startswith("mnli: 1 validation_matched row\n")
    mismatched = mnli[0].record["metrics_by_split"]["validation_mismatched"]["accuracy"]
    for part in (
        f"validation_mismatched  accuracy {mismatched:.4f}",
        "accuracy 0.8391 on validation_matched (bert-base-cased)",
        "accuracy 0.8410 on validation_mismatched (bert-base-cased)",
        "train has 3 rows; officially it has 392,702",
        "baseline               accuracy 0.0000 (always the same answer)",
    ):
        assert part in text, text


def test_the_record_has_baseline_and_published_scores(mnli: tuple[launch.Result, list[str]]) -> None:
    record = mnli[0].record
    # The three labels are as common as each other in training, and the first of them is not the validation row's.
    assert record["baseline"] == {"accuracy": 0.0}
    assert record["majority_accuracy"] == 1.0
    assert record["published"][0]["metrics"] == {"accuracy": 0.8391}
    assert "README.md" in record["published"][0]["source"]


def test_the_diagnostic_set_is_predicted_by_a_model_trained_on_mnli(tiny_bert: Path, tmp_path: Path) -> None:
    glue = write_glue(tmp_path / "glue", "mnli")
    rows = [("", "", "", "", "", "It rains.", "It pours.", "neutral")]
    write_file(glue / "diagnostic" / "diagnostic-full.tsv", DIAGNOSTIC_FULL, rows)
    result, _ = run(tiny_bert, tmp_path / "runs", "ax", data_dir=str(glue))
    assert result.record["task"] == "ax"
    assert set(result.record["metrics"]) == {"matthews_correlation"}
    assert list(result.record["metrics_by_split"]) == ["validation_matched", "diagnostic"]
    assert [row[1] for row in predictions(result)["diagnostic.tsv"]] == ["neutral"]
    assert result.record["data"]["trained_on"]["folder"].endswith("MNLI")


def test_a_regression_on_its_sample(tiny_bert: Path, tmp_path: Path) -> None:
    result, lines = run(tiny_bert, tmp_path, "stsb", "data.limit_train=16", sample=True)
    assert "train is limited to the first 16 of 60 rows" in lines
    assert list(result.record["metrics"]) == ["pearson", "spearmanr"]
    errors = result.record["other_metrics"]
    assert list(errors) == ["mae", "rmse"] and 0 < errors["mae"] <= errors["rmse"]
    baseline = result.record["baseline"]
    assert (baseline["pearson"], baseline["spearmanr"], list(baseline)[2:]) == (0.0, 0.0, ["mae", "rmse"])
    table = text_of(result_table(read_record(result.folder / "run.json")))
    assert f"{errors['mae']:.4f}" in table and f"{errors['rmse']:.4f}" in table
    assert result.record["majority_accuracy"] is None
    assert "published" not in table  # A sample's score says nothing beside GLUE's.
    assert len(predictions(result)["validation.tsv"]) == 40
