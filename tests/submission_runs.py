"""Finished runs of any task without training one: a folder as a run leaves it, with predictions and without a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glueft.recipe import load_recipe
from glueft.runs.predictions import write_predictions

# What GLUE's own files have (wc -l of a submission, less the header).
OFFICIAL_ROWS = {
    "AX.tsv": 1104,
    "CoLA.tsv": 1063,
    "MNLI-m.tsv": 9796,
    "MNLI-mm.tsv": 9847,
    "MRPC.tsv": 1725,
    "QNLI.tsv": 5463,
    "QQP.tsv": 390_965,
    "RTE.tsv": 3000,
    "SST-2.tsv": 1821,
    "STS-B.tsv": 1379,
    "WNLI.tsv": 146,
}
TASKS = ("cola", "sst2", "mrpc", "stsb", "mnli", "qnli", "rte", "wnli")


def make_run(
    folder: Path, task_name: str, splits: Mapping[str, int] | None = None, *, sample: bool = False, train_rows: int = 0
) -> Path:
    """Make the folder of a finished run.

    Args:
        folder: where it is made, as `<folder>/<task>-run`.
        task_name: of an installed task.
        splits: how many rows of each split have predictions; None for all of the benchmark's.
        sample: say that it was trained on the sample.
        train_rows: how many rows it was trained on; 0 for the official number.
    """
    recipe = load_recipe(task_name, sample=sample)
    task = recipe.task
    assert task.submission is not None
    splits = {split: task.sizes[split] for split in task.submission.files} if splits is None else splits
    run = folder / f"{task_name}-run"
    (run / "predictions").mkdir(parents=True)
    described = {split: {"rows": rows, "sha256": "0" * 64} for split, rows in splits.items()}
    described |= {"train": {"rows": train_rows or task.sizes["train"]}, task.validation_splits[0]: {"rows": 1}}
    record: dict[str, Any] = {
        "status": "done",
        "task": task_name,
        "seed": 42,
        "started": "2026-01-31T12:00:00+00:00",
        "run_dir": str(run),
        "metrics": {},
        "epochs": [],
        "seconds": {},
        "data": {"source": recipe.data.source, "splits": described, "validation_split": task.validation_splits[0]},
        "checkpoint": {},
        "engine": {},
    }
    (run / "run.json").write_text(json.dumps(record))
    (run / "recipe.toml").write_text(recipe.to_toml())
    for split, rows in splits.items():
        labels = np.full(rows, -1) if task.labels else np.full(rows, np.nan, np.float32)
        write_predictions(run / "predictions" / f"{split}.tsv", labels, logits(rows, len(task.labels)), task.labels)
    return run


def logits(rows: int, labels: int) -> NDArray[np.float32]:
    """Predictions that say label 0 in row 0, 1 in row 1, ... and begin again; scores from -0.5 to 5.5 in regression."""
    if not labels:
        return np.linspace(-0.5, 5.5, rows, dtype=np.float32)[:, None]
    return np.eye(labels, dtype=np.float32)[np.arange(rows) % labels]
