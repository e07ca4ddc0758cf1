"""The loss of a training: which one, as Keras trains on it, and as its mean over the logits of a split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glueft.errors import PluginError, TrainingError
from glueft.plugin.attribution import attributed, is_foreign, named
from glueft.plugin.build import build
from glueft.plugin.loss import Loss
from glueft.plugin.registry import known_classes
from glueft.plugin.suits import KIND_WORDS, kinds_of
from glueft.plugin.task import Task
from glueft.text import short_repr

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.recipe import Recipe
    from glueft.recipe.sections import Distill


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
    """Raise TrainingError if a loss is of labels and the task, whose labels are known, a regression, or the like."""
    if task.predicts in kinds_of(loss.suits):
        return
    what = f"{len(task.labels)} labels" if task.labels else "scores to predict"
    if task.multi_label:
        what += ", of which a row has any number"
    raise TrainingError(
        f"{named(loss)} does not suit the task {task.name!r}",
        expected=f"a loss for {KIND_WORDS[task.predicts]}, as {task.name} has {what}",
        received=f'"{loss.name}", a loss for {" or ".join(KIND_WORDS[kind] for kind in kinds_of(loss.suits))}',
        fix=f'set loss.plugin = "{task.default_loss()}", or remove [loss]',
    )


def loss_of(labels: tuple[str, ...], *, multi_label: bool = False) -> TrainingLoss:
    """Return the loss of a task with these labels where nothing names another; () is a regression."""
    task = Task()
    task.labels, task.multi_label = labels, multi_label
    return TrainingLoss(known_classes("loss")[task.default_loss()](), task)


def try_foreign_loss(loss: TrainingLoss) -> None:
    """Compute a loss that is not glueft's own for a few made-up rows: one that fails is to do so before the training.

    Raises:
        PluginError: it raises, or gives no number for each row, or one that depends on other rows.
    """
    if not is_foreign(loss.plugin):
        return
    import numpy as np

    count = len(loss.task.labels)
    labels = np.eye(3, count) if loss.task.multi_label else np.arange(3) % (count or 3)
    logits = np.linspace(-1, 1, 3 * (count or 1)).reshape(3, -1).astype(np.float32)
    together = _row_losses(loss, logits, labels)
    alone = [_row_losses(loss, logits[[row]], labels[[row]]) for row in range(3)]
    if together.shape == (3,) and np.allclose(together, np.concatenate(alone), rtol=1e-3, atol=1e-5):
        return
    raise PluginError(
        f"{named(loss.plugin)} does not give one number for each row",
        expected="(rows,) from the `call` of its Keras loss, each from the label and the logits of its row alone",
        received=f"an array of {together.shape} for 3 rows"
        if together.shape != (3,)
        else f"{together.round(4).tolist()} for 3 rows, and {np.concatenate(alone).round(4).tolist()} for each alone",
        fix="fix the plugin, or tell its authors; `glueft plugin check` says more",
    )


def _row_losses(loss: TrainingLoss, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
    from keras import ops

    built = build(loss.plugin, loss.task)
    with attributed(loss.plugin, "call"):
        tensors = (ops.convert_to_tensor(array, "float32") for array in (labels, logits))
        values: NDArray[Any] = ops.convert_to_numpy(built.call(*tensors))
    return values


@dataclass(frozen=True)
class TrainingLoss:
    """A loss on the rows of a task.

    Attributes:
        plugin: gives a number for each row.
        task: its labels are known.
        distill: how much a teacher's part weighs beside it, in the training alone.
    """

    plugin: Loss
    task: Task
    distill: Distill | None = None

    @cached_property
    def label_weights(self) -> NDArray[np.float64] | None:
        """The weight of a row of each label, (labels,); None if all rows weigh the same.

        Raises:
            PluginError: they are not a number above 0 for each label.
        """
        import numpy as np

        with attributed(self.plugin, "label_weights"):
            given = self.plugin.label_weights(self.task)
            weights = None if given is None else np.array(given, np.float64)
        if weights is None:
            return None
        if (
            self.task.multi_label
            or weights.shape != (len(self.task.labels),)
            or not (np.isfinite(weights).all() and (weights > 0).all())
        ):
            raise PluginError(
                f"{named(self.plugin)} does not weigh the labels of {self.task.name}",
                expected="None from its `label_weights`: a row of a multi-label task has no label of its own"
                if self.task.multi_label
                else f"{len(self.task.labels)} numbers above 0 from its `label_weights`, or None",
                received=short_repr(given),
                fix="fix the plugin, or tell its authors",
            )
        return weights

    def build(self) -> keras.losses.Loss:
        """Return it for `Model.compile`: the mean over the rows, whose weights come with each batch."""
        built = build(self.plugin, self.task)
        if self.distill is not None:
            from glueft.training.distilled_loss import DistilledLoss

            temperature = self.distill.softening if self.task.labels else None
            built = DistilledLoss(built, self.distill.weight, temperature, multi_label=self.task.multi_label)
        built.reduction = "sum_over_batch_size"
        return built

    def mean(self, logits: NDArray[np.float32], labels: NDArray[Any]) -> float:
        """Return the mean over rows, weighted by label where the loss is; without a teacher's part.

        Args:
            logits: (rows, labels), or (rows, 1) in regression.
            labels: (rows,), of a multi-label task (rows, labels).
        """
        import numpy as np

        with attributed(self.plugin, "values"):
            values = np.asarray(self.plugin.values(self.task, logits, labels))
        if values.shape != (len(labels),):
            raise PluginError(
                f"{named(self.plugin)} does not give one number for each row that is validated",
                expected=f"({len(labels)},) from its `values`",
                received=f"an array of {values.shape}",
                fix="fix the plugin, or tell its authors; `glueft plugin check` says more",
            )
        weights = self.label_weights
        return float(np.mean(values) if weights is None else np.average(values, weights=weights[labels]))

    def as_record(self) -> dict[str, Any]:
        """Return `loss_function` of run.json."""
        weights = self.label_weights
        by_label = None if weights is None else dict(zip(self.task.labels, weights.tolist(), strict=True))
        return {"name": self.plugin.name, "label_weights": by_label}
