"""Keras's callback calls under glueft's own names: steps and epochs from 1, `loss`, `validation_loss`, the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    import glueft


Values = dict[str, float]

# Without its prefix it would be the name of the training's loss.
NAMES = {"val_loss": "validation_loss"}


def watch(
    run: glueft.Run,
    *,
    every_steps: int = 1,
    on_begin: Callable[[], None] | None = None,
    on_step: Callable[[int, int, Values], None] | None = None,
    on_epoch: Callable[[int, int, Values], None] | None = None,
) -> keras.callbacks.Callback:
    """Return a Keras callback that passes numbers to functions.

    Args:
        run: the run in training.
        every_steps: `on_step` is called for the first step and for each multiple of this.
        on_begin: called before the first step.
        on_step: gets step, epoch and `loss` (the mean of the epoch's steps so far) and `learning_rate` of the step.
        on_epoch: gets step, epoch and `loss`, `validation_loss`, each validation metric, and `learning_rate` of the
            epoch's last step.
    """
    import keras

    step = epoch = 0

    def train_begin(logs: Values | None = None) -> None:
        if on_begin is not None:
            on_begin()

    def epoch_begin(index: int, logs: Values | None = None) -> None:
        nonlocal epoch
        epoch = index + 1

    def batch_end(batch: int, logs: Values | None = None) -> None:
        nonlocal step
        step += 1
        if on_step is not None and (step == 1 or step % every_steps == 0):
            on_step(step, epoch, {"loss": float((logs or {})["loss"]), "learning_rate": run.learning_rate(step)})

    def epoch_end(index: int, logs: Values | None = None) -> None:
        if on_epoch is not None:
            values = {NAMES.get(name, name.removeprefix("val_")): float(value) for name, value in (logs or {}).items()}
            on_epoch(step, epoch, values | {"learning_rate": run.learning_rate(step)})

    return keras.callbacks.LambdaCallback(
        on_train_begin=train_begin,
        on_epoch_begin=epoch_begin,
        on_train_batch_end=batch_end,
        on_epoch_end=epoch_end,
    )
