"""The upload to a benchmark that keeps the labels of its test splits: one zip file, made from runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glueft.errors import SubmissionError
from glueft.files import check_place, expanded
from glueft.inference.predictor import check_model_folder, check_task_labels
from glueft.inference.split_predictions import predict_split
from glueft.runs.predictions import read_predictions
from glueft.runs.run import Run
from glueft.submit.files import UploadFile
from glueft.submit.plan import has_predictions, plan_submission, refuse_missing, refuse_without_rows, source_of
from glueft.submit.zip_file import write_zip
from glueft.system.quiet import hush_libraries
from glueft.text import counted
from glueft.training.progress import Progress


def submit(
    runs: Sequence[str | Path],
    output: str | Path = "submission.zip",
    *,
    fill_missing: bool = False,
    data_dir: str | Path | None = None,
    force: bool = False,
    plugins: Sequence[str] = (),
    trust: bool = False,
    progress: Progress | None = None,
    verbose: bool = False,
) -> dict[str, Any]:
    """Write the zip file that a benchmark expects.

    Missing predictions of a test split are made with the run's model and kept in its `predictions/`. A run that has
    them needs neither its model nor Keras.

    Args:
        runs: run folders, one for each task.
        output: the zip file. It appears as a whole or not at all, and the same predictions give the same bytes.
        fill_missing: fill a file without a run with the most frequent label.
        data_dir: read the rows to predict from this folder in the benchmark's own layout; None for the run's source.
        force: replace the zip file if there is one.
        plugins, trust: as in `Run.open`.
        progress: shows the phases; nothing if None.
        verbose: let the libraries' own log lines through.

    Returns:
        What `glueft submit --json` prints: `output`, `benchmark`, `bytes`, `sha256`, `files`, `filled` and `notes`.

    Raises:
        SubmissionError: a file has no run or two, a split has another number of rows than the benchmark, or the zip
            file cannot be written.
        RunFolderError: a run folder is incomplete.
        DataError: the rows to predict cannot be read.
        CheckpointError: a model that is needed cannot be read.
        PluginError: a task has other labels than its run had.
    """
    progress = Progress() if progress is None else progress
    output = expanded(output).absolute()
    check_place(output, SubmissionError, force=force, example="submission.zip")
    opened = [Run.open(run, plugins=plugins, trust=trust) for run in runs]
    plan = plan_submission(opened, data_dir)
    for run in opened:
        if run.splits() or run.model_folder.is_dir():  # else the errors below say what is missing
            check_task_labels(run)
    if not fill_missing:
        refuse_missing(plan)
    refuse_without_rows(plan, data_dir)
    for run in dict.fromkeys(run for file, run in plan.runs.items() if not has_predictions(run, file)):
        check_model_folder(run)
    notes = [note for run in opened for note in training_notes(run)]
    predictions = {file: read(run, file) for file, run in plan.runs.items() if has_predictions(run, file)}
    made = [file for file in plan.runs if file not in predictions]
    for run in opened:
        lacking = [file for file in made if plan.runs[file] is run]
        if lacking:
            notes += make_predictions(run, lacking, data_dir, progress, verbose=verbose)
            predictions |= {file: read(run, file) for file in lacking}
    predictions |= {file: file.filled() for file in plan.missing}
    if plan.missing:
        notes.append(f"filled with the commonest label, for want of a run: {', '.join(plan.missing.values())}")
    files = sorted(predictions, key=lambda file: file.name)

    def check(content: dict[str, bytes]) -> None:
        for file in files:
            file.check(content[file.name])

    digest = write_zip(output, {file.name: file.content(predictions[file]) for file in files}, check, force=force)
    return {
        "output": str(output),
        "benchmark": plan.benchmark,
        "bytes": output.stat().st_size,
        "sha256": digest,
        "files": [describe(file, plan.runs.get(file), predictions[file], file in made) for file in files],
        "filled": [file.name for file in plan.missing],
        "notes": notes,
    }


def training_notes(run: Run) -> list[str]:
    """Return a note if a run was not trained on all rows of its task."""
    rows, official = run.record.data.splits["train"].rows, run.task.sizes.get("train")
    if run.record.data.source == "sample":
        return [
            f"{run.folder.name} was trained on {counted(rows, 'row')} of the sample that ships with {run.task.name}"
        ]
    if official not in (None, rows):
        return [f"{run.folder.name} was trained on {counted(rows, 'row')}; officially {run.task.name} has {official:,}"]
    return []


def make_predictions(
    run: Run, files: Sequence[UploadFile], data_dir: str | Path | None, progress: Progress, *, verbose: bool
) -> list[str]:
    """Predict the splits of some files with the model of a run, and return notes on their rows.

    The rows are read and counted before the model is loaded.
    """
    from glueft.data.rows import load_split
    from glueft.inference.predictor import load_run_model

    if not verbose:
        hush_libraries()
    splits, notes = [], []
    for file in files:
        with progress.phase(f"{file.split} rows of {file.task.name}"):
            rows = load_split(file.made_task, source_of(run, file.task, data_dir), file.split)
        refuse_count(file, counted(len(rows), "row"), len(rows))
        before = run.record.data.splits.get(file.split)
        if before is not None and before.sha256 not in (None, rows.sha256):
            notes.append(f"the {file.split} rows are other ones than those that {run.folder.name} had found")
        splits.append(rows)
    with progress.phase(f"model of {run.folder.name}"):
        saved = load_run_model(run)
    for file, rows in zip(files, splits, strict=True):
        with progress.phase(f"{file.name}: {counted(len(rows), 'prediction')}"):
            predict_split(saved, rows)
    return notes


def read(run: Run, file: UploadFile) -> list[str]:
    """Return the predictions of a run for a file.

    Raises:
        SubmissionError: they are not as many as the benchmark expects.
        RunFolderError: the predictions file is missing, broken, or of other labels.
    """
    path = run.predictions_file(file.split)
    predictions = read_predictions(path, run.labels, None).predictions
    received = f"{counted(len(predictions), 'prediction')} in {path}"
    refuse_count(file, received, len(predictions), "; first move that file of predictions away")
    return predictions


def refuse_count(file: UploadFile, received: str, rows: int, besides: str = "") -> None:
    """Raise SubmissionError unless there are as many rows as the benchmark expects."""
    if rows != file.rows:
        raise SubmissionError(
            f"{file.name}: the {file.split} split does not have the rows that {file.submission.benchmark} expects",
            expected=counted(file.rows, "row"),
            received=received,
            fix=f"predict the benchmark's own file: --data-dir names the folder that has it{besides}",
        )


def describe(file: UploadFile, run: Run | None, predictions: Sequence[str], made: bool) -> dict[str, Any]:
    """Return the entry of a file in the result."""
    counts = Counter(predictions)
    description: dict[str, Any] = {
        "file": file.name,
        "task": file.task.name,
        "split": file.split,
        "rows": len(predictions),
        "run": None if run is None else str(run.folder),
        "predicted_now": made,
        "filled_with": file.submission.majority if run is None else None,
    }
    if file.task.labels:
        return description | {"predicted": {file.written(name): counts[name] for name in file.task.labels}}
    scores = [float(file.written(score)) for score in counts]
    return description | {"predicted": [min(scores), max(scores)], "moved_into_range": file.beyond_range(predictions)}
