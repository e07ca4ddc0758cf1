"""First-party callbacks: what a recipe names in `[[callbacks]]`, one file each."""

from __future__ import annotations

import glueft
from glueft_callbacks.csv_file import CSV
from glueft_callbacks.early_stopping import EarlyStopping
from glueft_callbacks.mlflow import MLflow
from glueft_callbacks.tensorboard import TensorBoard
from glueft_callbacks.wandb import Wandb


@glueft.hookimpl
def glueft_callbacks() -> list[type[glueft.Callback]]:
    """The callbacks of this package."""
    return [CSV, EarlyStopping, MLflow, TensorBoard, Wandb]


@glueft.hookimpl
def glueft_run_finished(run: glueft.Run) -> None:
    """Close what the callbacks of this package have open: after the last file is written, or after a failure."""
    for callback in run.recipe.callbacks:
        if isinstance(callback, (MLflow, TensorBoard, Wandb)):
            callback.close(run)
