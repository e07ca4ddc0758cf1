"""Keras's TensorBoard callback, with the learning rate by step and counts from 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import glueft
from glueft_callbacks.lengths import cut, synced_length


class Curves(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Writes to `folder`/train and `folder`/validation; no graph, no histograms."""

    def __init__(self, run: glueft.Run, folder: Path, every_steps: int) -> None:
        super().__init__(log_dir=str(folder), update_freq=every_steps, write_graph=False)
        self.run = run
        self.folder = folder
        self.every_steps = every_steps
        self.step = self.epoch = 0
        self.earlier: list[Path] = []

    def set_model(self, model: keras.Model) -> None:
        """Note the files of an earlier part of the run; this process writes others."""
        super().set_model(model)
        self.earlier = self._files()

    def state(self) -> dict[str, Any]:
        """The counts, and the length of each file, all of which is on the disk then."""
        for writer in self._writers.values():
            writer.flush()
        lengths = {path.relative_to(self.folder).as_posix(): synced_length(path) for path in self._files()}
        return {"step": self.step, "epoch": self.epoch, "files": lengths}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the curves of a `state`, after `on_train_begin`."""
        self.step = self._global_train_batch = state["step"]
        self.epoch = state["epoch"]
        self._cut(state["files"])
        # A TensorBoard that is open has read the points that were cut off, and drops them at this event.
        _restart(self._train_writer, self.step + 1)
        if self.epoch:
            _restart(self._val_writer, self.epoch + 1)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take back all points of a run that was not saved, and begins anew in its folder."""
        if self.step == 0:
            self._cut({})
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the learning rate to the step's numbers."""
        self.step += 1
        if self.step % self.every_steps == 0:
            super().on_train_batch_end(batch, (logs or {}) | {"learning_rate": self.run.learning_rate(self.step)})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's numbers under its number from 1."""
        self.epoch = epoch + 1
        super().on_epoch_end(self.epoch, logs)

    def _collect_learning_rate(self, logs: dict[str, Any]) -> dict[str, Any]:
        # Keras takes the rate of the step to come; by epoch and by step the same number should stand.
        return logs | {"learning_rate": self.run.learning_rate(self.step)}

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*/events.out.tfevents.*"))

    def _cut(self, lengths: Mapping[str, int]) -> None:
        """Cut each earlier file to the length given for its name; one without is removed."""
        for path in self.earlier:
            if path.relative_to(self.folder).as_posix() not in lengths:
                path.unlink()
        for name, length in lengths.items():
            try:
                cut(self.folder / name, length)
            except glueft.PluginError as error:
                self.run.say(f"warning: tensorboard: {error.message}; the curves lack those points")

    def close(self) -> None:
        """Leave the writers' contexts and close their files, where the training has broken off before its end."""
        if self._prev_summary_state:
            self._pop_writer()
        self._close_writers()

    def write_hparams(self, values: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Write one line of TensorBoard's table of hyperparameters, into `folder` itself."""
        import tensorflow as tf
        from tensorboard.plugins.hparams import api, api_pb2, summary

        begin, end = (
            api.hparams_pb(values, trial_id=self.run.folder.name),
            summary.session_end_pb(api_pb2.STATUS_SUCCESS),
        )
        writer = tf.summary.create_file_writer(str(self.folder))
        with writer.as_default(self.step):
            tf.summary.experimental.write_raw_pb(begin.SerializeToString())
            for name, value in metrics.items():
                tf.summary.scalar(f"final/{name}", value)
            tf.summary.experimental.write_raw_pb(end.SerializeToString())
        writer.close()


def _restart(writer: Any, step: int) -> None:
    """Write that the points from a step on come again: a second start of the session says so to TensorBoard."""
    import tensorflow as tf

    log = tf.compat.v1.SessionLog
    event = tf.compat.v1.Event(step=step, session_log=log(status=log.START))
    for _ in range(2):
        tf.raw_ops.ImportEvent(writer=writer._resource, event=event.SerializeToString())
