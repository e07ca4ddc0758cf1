"""Run folders as `glueft run` leaves them, but for the training: the predictions are given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glueft.recipe import load_recipe
from glueft.runs.predictions import write_predictions
from glueft.runs.record import Record
from glueft.runs.run import Run

TASKS = {
    "mrpc": (("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "cola": (("unacceptable", "acceptable"), ("matthews_correlation",)),
    "mnli": (("entailment", "neutral", "contradiction"), ("accuracy",)),
    "stsb": ((), ("pearson", "spearmanr")),
}


def make_run(
    folder: Path,
    given: Sequence[float],
    said: Sequence[float],
    *,
    task: str = "mrpc",
    seed: int = 42,
    sure: float = 2.0,
    overrides: Sequence[str] = (),
    split: str = "validation",
    metrics: dict[str, float] | None = None,
    **changes: Any,
) -> Path:
    """Write a finished run.

    Args:
        folder: of the run; made.
        given: the right label of each row by index (-1: none), or its score.
        said: what the run says of each.
        task: a key of TASKS.
        seed: of the training.
        sure: the logit of the label that is said; the others have 0.
        overrides: of the task's own recipe.
        split: the primary one, which is predicted.
        metrics: for run.json; all 0.5 by default.
        changes: of run.json, each merged into what is there where both are tables.
    """
    labels, names = TASKS[task]
    rows = np.asarray(given, np.int32 if labels else np.float32)
    logits = sure * np.eye(len(labels))[list(said)] if labels else np.asarray(said, np.float32)[:, None]
    recipe = load_recipe(task, [f"training.seed={seed}", *overrides], sample=True)
    (folder / "model").mkdir(parents=True)
    config = (
        {"id2label": dict(enumerate(labels))} if labels else {"problem_type": "regression", "id2label": {0: "score"}}
    )
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "recipe.toml").write_text(recipe.to_toml())
    (folder / "history.jsonl").write_text("")
    write_predictions(folder / "predictions" / f"{split}.tsv", rows, logits.astype(np.float32), labels)
    fingerprint = hashlib.sha256(rows.tobytes()).hexdigest()
    record: dict[str, Any] = {
        "status": "done",
        "task": task,
        "seed": seed,
        "started": "2026-01-31T12:00:00+00:00",
        "run_dir": str(folder),
        "plugins": {"task": task, "files": []},
        "host": {"name": "harbour", "system": "Linux", "cpus": 2, "python": "3.11.7"},
        "versions": {"glueft": "0.1.0", "keras": "3.15.1"},
        "metrics": dict.fromkeys(names, 0.5) if metrics is None else metrics,
        "epochs": [],
        "seconds": {"total": 363.3},
        "data": {
            "validation_split": split,
            "splits": {
                "train": {"rows": 60, "sha256": "a" * 64},
                split: {"rows": len(rows), "sha256": fingerprint},
            },
        },
        "checkpoint": {"name": recipe.model.checkpoint, "revision": None, "sha256": {"model.safetensors": "c" * 64}},
        "engine": {"backend": "tensorflow", "precision": "float32", "jit_compile": False},
    }
    write_record(folder, merged(record, changes))
    return folder


def bare_run(folder: Path) -> Run:
    """Return a run without a recipe, of which nothing is written."""
    return Run(folder, Record(status="running", task="mrpc", seed=42, started="", run_dir=str(folder)))


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))


def change_record(folder: Path, **changes: Any) -> None:
    """Change run.json; a table is merged into the one that is there."""
    write_record(folder, merged(json.loads((folder / "run.json").read_text()), changes))


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a table with changes, tables in it merged likewise."""
    result = dict(table)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
