"""Curves of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glueft
from glueft_callbacks.extras import require
from glueft_callbacks.flat import flatten

if TYPE_CHECKING:
    import keras

    from glueft_callbacks.keras_tensorboard import Curves


class TensorBoard(glueft.Callback):
    """Writes curves for TensorBoard, by step and by epoch, with Keras's own callback.

    By step: `batch_loss` (mean of the epoch's steps so far) and `batch_learning_rate`. By epoch: `epoch_loss` and
    `epoch_learning_rate` in `train`; `epoch_loss` and `epoch_<metric>` for each of the task's metrics in `validation`.
    Steps and epochs count from 1.

    The curves are in the run folder: `tensorboard --logdir runs` shows all runs side by side. A run that is resumed
    continues them; points of steps that come again are taken back first.

    With `hparams = true`, the finished run also stands in TensorBoard's table HPARAMS: the recipe, flattened
    (`training.batch_size`), and the run's own metrics as `final/<metric>`.

    Needs the packages tensorboard and tensorflow (`pip install 'glueft[tensorboard]'`), also with the JAX and PyTorch
    backends.
    """

    name = "tensorboard"
    only_watches = True

    class Options(glueft.Options):
        """Where to, and how often."""

        log_dir: glueft.LocalPath | None = glueft.Field(
            None,
            description="A folder for the curves of many runs, where each run gets one of its own name; "
            "if left out, `tensorboard` in the run folder.",
        )
        every_steps: int = glueft.Field(1, ge=1, description="Write a point by step at each multiple of this.")

        hparams: bool = glueft.Field(
            False, description="Write the recipe and the run's metrics for TensorBoard's table of hyperparameters."
        )

    board: Curves | None = None

    def check(self, task: glueft.Task) -> None:
        """Refuse to start without the packages."""
        for package in ("tensorboard", "tensorflow"):
            require(package, callback=self.name)

    def claims(self) -> tuple[str, ...]:
        """The folder of the curves."""
        return (self.options.log_dir or "tensorboard",)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return Keras's TensorBoard callback."""
        from glueft_callbacks.keras_tensorboard import Curves

        shared = self.options.log_dir
        folder = run.folder / "tensorboard" if shared is None else Path(shared) / run.folder.name
        self.board = Curves(run, folder, self.options.every_steps)
        return self.board

    def state(self) -> dict[str, Any]:
        """Which points are in the files."""
        return self.board.state() if self.board else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back the points that come again."""
        if self.board:
            self.board.restore(state)

    def close(self, run: glueft.Run) -> None:
        """Write what is still in memory, also after a training that failed, and the recipe of a finished run."""
        if self.board is not None:
            self.board.close()
            if self.options.hparams and run.record["status"] == "done":
                self.board.write_hparams(flatten(run.recipe.tables()), run.record["metrics"])
            self.board = None
