"""Keras's TensorBoard callback, with the learning rate by step and counts from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from pathlib import Path

    import glueft


class Curves(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Writes to `folder`/train and `folder`/validation; no graph, no histograms."""

    def __init__(self, run: glueft.Run, folder: Path, every_steps: int) -> None:
        super().__init__(log_dir=str(folder), update_freq=every_steps, write_graph=False)
        self.run = run
        self.every_steps = every_steps
        self.step = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the learning rate to the step's numbers."""
        self.step += 1
        if self.step % self.every_steps == 0:
            super().on_train_batch_end(batch, (logs or {}) | {"learning_rate": self.run.learning_rate(self.step)})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's numbers under its number from 1."""
        super().on_epoch_end(epoch + 1, logs)

    def _collect_learning_rate(self, logs: dict[str, Any]) -> dict[str, Any]:
        # Keras takes the rate of the step to come; by epoch and by step the same number should stand.
        return logs | {"learning_rate": self.run.learning_rate(self.step)}

    def close(self) -> None:
        """Leave the writers' contexts and close their files, where the training has broken off before its end."""
        if self._prev_summary_state:
            self._pop_writer()
        self._close_writers()
