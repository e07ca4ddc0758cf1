"""Keras's EarlyStopping, which in addition keeps the best epoch, looks for a collapse, and says so in the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

import glueft

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What Keras forgets in `on_train_begin`, and what is counted here.
STATE = (
    "wait", "best", "best_epoch", "stopped_epoch", "kept", "kept_epoch", "kept_value", "epochs_done", "cut_short",
    "collapsed",
)  # fmt: skip


class KeepBestEpoch(keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """Counts patience as Keras does, and puts the weights of the best epoch back at the end.

    Keras's own `restore_best_weights` is left off: it keeps an epoch only if it is better by `min_delta`, and it copies
    frozen weights too, twice for a moment.

    Args:
        run: gets `early_stopping` in its record, and a line to show.
        metric: a metric of the task, or "loss".
        patience: epochs without progress.
        min_delta: what must be exceeded to be progress.
        stop_on_collapse: stop after the first evaluation that run.json counts in `collapse`.
        keeps: whether the best epoch is put back at the end; False where the run itself keeps its best evaluation.
    """

    def __init__(
        self,
        run: glueft.Run,
        metric: str,
        patience: int,
        min_delta: float,
        *,
        stop_on_collapse: bool = False,
        keeps: bool = True,
    ) -> None:
        less = glueft.lower_is_better(metric)
        self.sign = -1 if less else 1
        super().__init__(monitor=f"val_{metric}", mode="min" if less else "max", patience=patience, min_delta=min_delta)
        self.run = run
        self.metric = metric
        self.stop_on_collapse = stop_on_collapse
        self.keeps = keeps
        self.kept: list[NDArray[Any]] = []
        self.kept_epoch = self.epochs_done = 0
        self.kept_value = 0.0
        self.collapsed = self.cut_short = False
        self.looked_at: NDArray[Any] | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stop if an evaluation within the epoch, after the step before, has shown a collapse."""
        if self.stop_on_collapse and self.run.validation_logits is not self.looked_at:
            self._look()
            self.cut_short = self.collapsed and batch + 1 < self.params["steps"]

    def _look(self) -> None:
        self.looked_at = self.run.validation_logits
        if self.run.record.get("collapse"):
            self.collapsed = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the weights if they are the best so far; stop if patience is at an end."""
        value = float((logs or {})[self.monitor])
        self.epochs_done = epoch + 1
        if not self.kept_epoch or self.sign * value > self.sign * self.kept_value:
            self.kept_epoch, self.kept_value = epoch + 1, value
            self.kept = []  # the old copy goes before the new one is made
            if self.keeps:
                variables = self.model.trainable_variables
                self.kept = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
        super().on_epoch_end(epoch, logs)
        if self.stop_on_collapse:
            self._look()

    def state(self) -> dict[str, Any]:
        """All that is counted and kept, by name. The arrays are never changed, only replaced."""
        return {name: getattr(self, name) for name in STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, after `on_train_begin`."""
        for name in STATE:
            setattr(self, name, state[name])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Put the best weights back, and say which they are."""
        if self.keeps and self.kept_epoch != self.epochs_done:
            for variable, weights in zip(self.model.trainable_variables, self.kept, strict=True):
                variable.assign(weights)
        self.kept = []
        planned, stopped = int(self.params["epochs"]), bool(self.stopped_epoch or self.collapsed)
        # Patience may end with the last epoch, and a collapse may come with it.
        stopped = stopped and (self.epochs_done < planned or self.cut_short)
        self.run.record["early_stopping"] = {
            "metric": self.metric,
            "best_epoch": self.kept_epoch,
            "best_value": self.kept_value,
            "epochs_done": self.epochs_done,
            "epochs_planned": planned,
            "stopped_early": stopped,
        } | ({"collapse": True} if self.collapsed else {})
        label = self.run.record.get("metric_labels", {}).get(self.metric)
        name = "validation loss" if self.metric == "loss" else self.metric + (f" of {label}" if label else "")
        ended = f"{'stopped' if stopped else 'ended'} after epoch {self.epochs_done} of {planned}"
        if not stopped and self.epochs_done == planned:
            ended = f"all {planned} epochs were run" if planned > 1 else "the one epoch was run"
        if stopped and self.collapsed:
            ended = f"stopped in epoch {self.epochs_done} of {planned}, as the model has collapsed"
        best = f"epoch {self.kept_epoch} ({name} {self.kept_value:.4f})"
        kept = f"kept {best}" if self.keeps else f"the best was {best}, and the run keeps its best evaluation"
        self.run.say(f"early stopping: {ended}; {kept}")
