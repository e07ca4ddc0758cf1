"""Predicts further splits with the saved model of a run, into its predictions/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.errors import PluginError, RunFolderError
from glueft.runs.predictions import write_predictions

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.inference.predictor import SavedModel
    from glueft.plugin.task import Task
    from glueft.runs.run import Run


def refuse_other_task(run: Run, task: Task | type[Task]) -> None:
    """Refuse rows of another task that the model of a run cannot predict.

    Raises:
        PluginError: the labels of the task or the number of its texts are not those of the run's.
    """
    ours, theirs = (f"{len(one.inputs)} text(s), {', '.join(one.labels) or 'a number'}" for one in (run.task, task))
    if len(task.inputs) != len(run.task.inputs) or set(task.labels) != set(run.labels):
        raise PluginError(
            f'the task "{task.name}" cannot be predicted by runs of "{run.task.name}", as its `predicted_by` says',
            expected=f"rows with {ours}",
            received=f"rows with {theirs}",
            fix="correct `submission` in the task's plugin, or tell its author",
        )


def predict_split(saved: SavedModel, rows: Rows) -> None:
    """Predict a split and write predictions/<split>.tsv in the run folder, as the run itself would have done.

    Args:
        saved: the model of a run.
        rows: the split; its labels may be in another order than the model's.

    Raises:
        TrainingError: a logit is not a finite number.
        RunFolderError: the file cannot be written.
    """
    assert saved.run is not None
    labels = saved.label_indices(rows) if rows.label_names else rows.labels
    path = saved.run.predictions_file(rows.name)
    try:
        write_predictions(path, labels, saved.logits(rows), saved.labels, saved.rule)
    except RunFolderError as error:  # its words are for a run that trains
        raise RunFolderError(
            f"{path}: the predictions cannot be written",
            expected="a run folder that can be written to",
            received=error.received,
            fix="copy the run folder to where you may write, and name the copy",
        ) from error
