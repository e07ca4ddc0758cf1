"""Stops a run that no longer gets better, and keeps its best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import glueft

if TYPE_CHECKING:
    import keras

    from glueft_callbacks.keras_early_stopping import KeepBestEpoch


class EarlyStopping(glueft.Callback):
    """Stops when the validation metric no longer gets better, and keeps the best epoch.

    It looks at one number of the validation split after each epoch: a metric of the task, or "loss". The metric says
    whether higher or lower is better. The training ends once the number has not improved for `patience` epochs in a
    row.

    The run keeps its best epoch, whether it stopped early or not. The weights of the epoch with the best number (of
    equal ones, the first) are restored before anything is predicted or saved: the metrics in run.json, the predictions
    and the model folder all belong to it. `early_stopping` in run.json says which epoch it was and whether the run
    stopped early. history.jsonl has every epoch.

    Where the recipe has `training.keep = "best"`, the run keeps its best evaluation by the task's first metric, and
    this callback only stops it.

    `stop_on_collapse` also ends a run whose model tells nothing apart any more: `collapse` in run.json says what showed
    it. An evaluation within an epoch (`training.evaluate_every`) ends it after the next step.

    `min_delta` only decides when to stop. An epoch that is better by less counts as no progress, and is still kept if
    no other is better.

    The learning rate schedule is planned for all of `training.epochs`. A run that stops early ends before the rate has
    come down. Where that matters, use a constant schedule, or set `training.epochs` to little more than is needed.

    Memory: one copy of the trained weights in main memory, 4 bytes per number (at most 438 MB for BERT-base, 91 MB for
    the small sample encoder). Frozen weights are not copied.
    """

    name = "early_stopping"

    class Options(glueft.Options):
        """What to look at, and for how long."""

        metric: str | None = glueft.Field(
            None,
            description='A metric of the task, or "loss", the validation loss; by default the task\'s first metric.',
        )
        patience: int = glueft.Field(
            1, ge=1, le=1_000_000, description="Epochs in a row without progress after which the training ends."
        )
        min_delta: float = glueft.Field(
            0.0, ge=0, description="Progress is what is better than the best by more than this."
        )
        stop_on_collapse: bool = glueft.Field(
            False, description="Stop a run that gives all rows the same answer, or is no better than that."
        )

    built: KeepBestEpoch

    def check(self, task: glueft.Task) -> None:
        """Refuse a metric that the task does not have."""
        known = [*task.metrics, "loss"]
        if self.metric(task) not in known:
            raise glueft.PluginError(
                f'early_stopping has no metric "{self.metric(task)}" to follow: task "{task.name}" does not have it',
                expected=f"one of {', '.join(known)}",
                received=repr(self.metric(task)),
                fix=f"set metric to one of {', '.join(known)} (loss is the validation loss)",
            )

    def metric(self, task: glueft.Task) -> str:
        """The number to look at."""
        return str(self.options.metric or task.metrics[0])

    def claims(self) -> tuple[str, ...]:
        """The epoch that is kept: there is only one."""
        return ("the epoch that is kept",)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback."""
        from glueft_callbacks.keras_early_stopping import KeepBestEpoch

        self.built = KeepBestEpoch(
            run,
            self.metric(run.task),
            self.options.patience,
            self.options.min_delta,
            stop_on_collapse=self.options.stop_on_collapse,
            keeps=run.recipe.training.keep != "best",
        )
        return self.built

    def state(self) -> dict[str, Any]:
        """The best epoch with its weights, and the epochs without progress."""
        return self.built.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on counting, from the same best epoch."""
        self.built.restore(state)
