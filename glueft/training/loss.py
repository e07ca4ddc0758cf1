"""The loss of a training: which one, as Keras trains on it, and as its mean over the logits of a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.errors import TrainingError
from glueft.plugin.attribution import attributed, named
from glueft.plugin.build import build
from glueft.plugin.loss import Loss
from glueft.plugin.registry import known_classes
from glueft.plugin.task import Task

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.recipe import Recipe


def choose_loss(recipe: Recipe) -> Loss:
    """Return the loss of a recipe, or of its task where the recipe names none. The task's rows are read.

    Raises:
        GlueftError: it does not fit the task.
    """
    task = recipe.task
    loss = recipe.loss or recipe.registry.find("loss", task.default_loss()).cls()
    assert isinstance(loss, Loss)
    refuse_unsuited(loss, task)
    with attributed(loss, "check"):
        loss.check(task)
    return loss


def refuse_unsuited(loss: Loss, task: Task) -> None:
    """Raise TrainingError if a loss is of labels and the task, whose labels are known, a regression, or vice versa."""
    if (loss.suits == "labels") == bool(task.labels):
        return
    what = f"{len(task.labels)} labels" if task.labels else "scores to predict"
    raise TrainingError(
        f"{named(loss)} does not suit the task {task.name!r}",
        expected=f"a loss for {'labels' if task.labels else 'scores'}, as {task.name} has {what}",
        received=f'"{loss.name}", a loss for {loss.suits}',
        fix=f'set loss.plugin = "{task.default_loss()}", or remove [loss]',
    )


def loss_of(labels: tuple[str, ...]) -> TrainingLoss:
    """Return the loss of a task with these labels where nothing names another; () is a regression."""
    task = Task()
    task.labels = labels
    return TrainingLoss(known_classes("loss")[task.default_loss()](), task)


@dataclass(frozen=True)
class TrainingLoss:
    """A loss on the rows of a task.

    Attributes:
        plugin: gives a number for each row.
        task: its labels are known.
    """

    plugin: Loss
    task: Task

    def build(self) -> keras.losses.Loss:
        """Return it for `Model.compile`: the mean over the rows."""
        built = build(self.plugin, self.task)
        built.reduction = "sum_over_batch_size"
        return built

    def mean(self, logits: NDArray[np.float32], labels: NDArray[Any]) -> float:
        """Return the mean over rows: logits (rows, labels), or (rows, 1) in regression; labels (rows,)."""
        import numpy as np

        with attributed(self.plugin, "values"):
            return float(np.mean(self.plugin.values(self.task, logits, labels)))
