"""Run folders made by hand, without training: of the table task, with rows and labels of the test's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glueft.data.rows import load_rows
from glueft.data.sources import make_source
from glueft.data.splits import length_histogram
from glueft.recipe import load_recipe
from glueft.runs.predictions import write_predictions


def make_table_run(
    folder: Path,
    rows: Sequence[tuple[str, str, str]],
    labels: Sequence[str],
    predicted: Sequence[int],
    *,
    unlabelled: bool = False,
) -> Path:
    """Leave the folder of a finished run on rows of (text, second text, label); it trained on a copy of them.

    Args:
        folder: where the data file and the run folder are made.
        rows: the validation rows.
        labels: the label names in order.
        predicted: the index of the predicted label of each row; it has the probability 0.9 - row / 1000.
        unlabelled: write the predictions as those of a split without labels.
    """
    data = folder / "rows.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("first", "second", "kind"), *rows])
    train = folder / "train.csv"
    train.write_bytes(data.read_bytes())
    quoted = ", ".join(json.dumps(label) for label in labels)
    overrides = [
        f'task={{plugin="table", train={json.dumps(str(train))}, validation={json.dumps(str(data))}, text="first", '
        f'text_pair="second", label="kind", labels=[{quoted}]}}'
    ]
    recipe = load_recipe("table", overrides, checkpoint=str(folder))
    run = folder / "run"
    (run / "model").mkdir(parents=True)
    (run / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    splits = load_rows(recipe.task, make_source(recipe.data, recipe.task))
    logits = np.full((len(rows), len(labels)), 0.0, np.float32)
    for row, label in enumerate(predicted):
        share = 0.9 - row / 1000
        logits[row, label] = np.log(share * (len(labels) - 1) / (1 - share))
    given = np.full(len(rows), -1) if unlabelled else splits["validation"].labels
    write_predictions(run / "predictions" / "validation.tsv", given, logits, labels)
    config = {"id2label": {str(index): label for index, label in enumerate(labels)}}
    (run / "model" / "config.json").write_text(json.dumps(config))
    lengths = length_histogram(np.arange(1, len(rows) + 1))
    described = {
        name: {
            "rows": len(split),
            "sha256": split.sha256,
            "tokens": len(rows) * 9,
            "truncated_rows": 1,
            "token_lengths": lengths,
        }
        for name, split in splits.items()
    }
    accuracy = float(np.mean(splits["validation"].labels == np.array(predicted)))
    metrics = {"accuracy": accuracy}
    epoch = {"epoch": 1, "step": 4, "loss": 0.5, "validation_loss": 0.6, "metrics": metrics, "seconds": 2.0}
    record: dict[str, Any] = {
        "status": "done",
        "task": "table",
        "seed": 42,
        "started": "2026-01-31T12:00:00+00:00",
        "run_dir": str(run),
        "metrics": metrics,
        "baseline": {"accuracy": 0.5},
        "published": [],
        "epochs": [epoch],
        "seconds": {"setup": 1.0, "train": 2.0, "evaluate": 0.5, "total": 3.5},
        "data": {
            "source": "files",
            "validation_split": "validation",
            "max_length": 128,
            "splits": described,
            "notes": [],
        },
        "checkpoint": {"name": "tiny", "revision": None, "sha256": {}, "head": "new"},
        "engine": {"backend": "tensorflow", "precision": "float32", "jit_compile": False},
        "parameters": 10,
        "trainable_parameters": 5,
        "num_train_steps": 4,
    }
    (run / "run.json").write_text(json.dumps(record))
    steps = [{"kind": "step", "step": step, "loss": 1 / step, "learning_rate": 1e-5 * step} for step in (1, 2, 4)]
    history = [*steps, {"kind": "epoch", **epoch}]
    (run / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    return run


def change_record(run: Path, **changes: Any) -> None:
    """Change keys of a run.json; None takes a key away."""
    path = run / "run.json"
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not None}))
