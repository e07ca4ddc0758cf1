"""Keras's callback calls under glueft's own names: steps and epochs from 1, `loss`, `validation_loss`, the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras

    import glueft


Values = dict[str, float]

# Without its prefix it would be the name of the training's loss.
NAMES = {"val_loss": "validation_loss"}


class Sender(Protocol):
    """What sends numbers to a tracker."""

    def begin(self) -> None: ...

    def log(self, step: int, values: Mapping[str, float]) -> None: ...


class Watch:
    """A Keras callback that passes numbers to functions.

    Args:
        run: the run in training.
        every_steps: `on_step` is called for the first step and for each multiple of this.
        on_begin: called before the first step.
        on_step: gets step, epoch and `loss` (the mean of the epoch's steps so far) and `learning_rate` of the step.
        on_epoch: gets step, epoch and `loss`, `validation_loss`, each validation metric, and `learning_rate` of the
            epoch's last step.

    Attributes:
        step: the last step that has ended, from 1.
        epoch: the one that is trained, from 1.
    """

    def __init__(
        self,
        run: glueft.Run,
        *,
        every_steps: int = 1,
        on_begin: Callable[[], None] | None = None,
        on_step: Callable[[int, int, Values], None] | None = None,
        on_epoch: Callable[[int, int, Values], None] | None = None,
    ) -> None:
        self.run = run
        self.every_steps = every_steps
        self.on_begin = on_begin
        self.on_step = on_step
        self.on_epoch = on_epoch
        self.step = self.epoch = 0

    @classmethod
    def of_sender(cls, run: glueft.Run, sender: Sender, every_steps: int) -> Watch:
        """Return one that passes all numbers on; those of an epoch with the epoch."""
        return cls(
            run,
            every_steps=every_steps,
            on_begin=sender.begin,
            on_step=lambda step, epoch, values: sender.log(step, values),
            on_epoch=lambda step, epoch, values: sender.log(step, values | {"epoch": epoch}),
        )

    def build(self) -> keras.callbacks.Callback:
        """Return the callback for Keras."""
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_begin=self._train_begin,
            on_epoch_begin=self._epoch_begin,
            on_train_batch_end=self._batch_end,
            on_epoch_end=self._epoch_end,
        )

    def state(self) -> dict[str, int]:
        """The two counts, by name."""
        return {"step": self.step, "epoch": self.epoch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Count on from a `state`."""
        self.step, self.epoch = state["step"], state["epoch"]

    def _train_begin(self, logs: Values | None = None) -> None:
        if self.on_begin is not None:
            self.on_begin()

    def _epoch_begin(self, index: int, logs: Values | None = None) -> None:
        self.epoch = index + 1

    def _batch_end(self, batch: int, logs: Values | None = None) -> None:
        self.step += 1
        if self.on_step is not None and (self.step == 1 or self.step % self.every_steps == 0):
            rate = self.run.learning_rate(self.step)
            self.on_step(self.step, self.epoch, {"loss": float((logs or {})["loss"]), "learning_rate": rate})

    def _epoch_end(self, index: int, logs: Values | None = None) -> None:
        if self.on_epoch is not None:
            values = {NAMES.get(name, name.removeprefix("val_")): float(value) for name, value in (logs or {}).items()}
            self.on_epoch(self.step, self.epoch, values | {"learning_rate": self.run.learning_rate(self.step)})
