"""A run on texts that are longer than a row may be: windows are trained on, everything else is by row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glueft
from glueft.cli.main import command_line
from glueft.data.rows import Rows
from glueft.inference.evaluate import evaluate_run
from glueft.inference.predictor import SavedModel, load_saved_model
from glueft.recipe import load_recipe
from glueft.report.write import write_report
from glueft.runs.run import Run

TEXTS = [" ".join(["good" if row % 2 else "bad", *["film"] * words]) for row, words in enumerate((2, 30, 9, 16, 50, 5))]


@pytest.fixture(scope="module")
def run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    lines = [f"{text},{'yes' if row % 2 else 'no'}" for row, text in enumerate(TEXTS)]
    (folder / "train.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    (folder / "dev.csv").write_text("\n".join(["text,label", *(f"the {line}" for line in lines)]) + "\n")
    files = f'train="{folder}/train.csv", validation="{folder}/dev.csv"'
    changes = [
        f'task={{plugin="table", {files}, text="text", label="label"}}',
        "data.max_length=10",
        'data.windows={stride=2, pool="mean"}',
        "training.epochs=1",
        "training.batch_size=4",
        "engine.precision=float32",
    ]
    return glueft.run(load_recipe("table", changes, checkpoint=str(tiny_bert)), output_dir=folder / "runs").folder


@pytest.fixture(scope="module")
def saved(run: Path) -> SavedModel:
    return load_saved_model(run)


def test_the_record_counts_rows_and_windows(run: Path) -> None:
    record = Run.open(run).record
    assert record.data.windows is not None and record.data.windows.as_dict() == {"stride": 2, "pool": "mean"}
    train = record.data.splits["train"]
    # Windows of eight words, two of which are shared.
    counts = [1 + max(0, -(-(len(text.split()) - 8) // 6)) for text in TEXTS]
    assert (train.rows, train.windows, train.truncated_rows) == (6, sum(counts), 0)
    assert record.num_train_steps == -(-sum(counts) // 4)
    page = write_report(run).path.read_text("utf-8")
    assert f"6 rows in {sum(counts)} windows" in page and "in windows that share 2 tokens" in page


def test_predictions_and_metrics_are_by_row(run: Path, saved: SavedModel) -> None:
    lines = (run / "predictions" / "validation.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["id", *map(str, range(6))]
    texts = [f"the {text}" for text in TEXTS]
    tokens = saved.tokenizer(texts, truncation=True, max_length=10, stride=2, return_overflowing_tokens=True)
    by_row: list[list[np.ndarray]] = [[] for _ in texts]
    for ids, row in zip(tokens["input_ids"], tokens["overflow_to_sample_mapping"], strict=True):
        inputs = {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "token_type_ids": [[0] * len(ids)]}
        logits = saved.classifier({name: np.array(value, np.int32) for name, value in inputs.items()})
        by_row[row].append(np.asarray(logits)[0])
    expected = np.array([np.mean(windows, axis=0) for windows in by_row])
    given = saved.logits(Rows("input", (texts,), np.full(6, -1, np.int32), saved.labels))
    assert given.shape == (6, 2) and np.abs(given - expected).max() < 1e-5
    answers = saved.answer([texts])
    assert len(answers.labels) == 6 and answers.truncated == 0
    result = evaluate_run(Run.open(run))
    assert result["comparison"]["equal"] and result["data"]["windows"] == {"stride": 2, "pool": "mean"}


def test_the_text_alone_decides_not_what_is_beside_it(saved: SavedModel) -> None:
    alone, among = saved.answer([[TEXTS[4]]]), saved.answer([TEXTS])
    assert np.abs(alone.probabilities[0] - among.probabilities[4]).max() < 1e-6


def test_what_is_given_away_says_that_it_cuts(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["export", str(run), str(tmp_path / "export")]) == 0
    assert "what calls the export cuts them off" in capsys.readouterr().out
    assert "it cuts a longer text off" in (tmp_path / "export" / "README.md").read_text()
    assert json.loads((tmp_path / "export" / "export.json").read_text())["windows"] == {"stride": 2, "pool": "mean"}
