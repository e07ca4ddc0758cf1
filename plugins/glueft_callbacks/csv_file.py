"""The progress of a run as a CSV file, for a spreadsheet or pandas."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import glueft
from glueft_callbacks.lengths import cut, synced_length
from glueft_callbacks.names import InRunFolder
from glueft_callbacks.watch import Values, Watch

if TYPE_CHECKING:
    from pathlib import Path

    import keras


class CSV(glueft.Callback):
    """Writes a CSV file into the run folder: a line per epoch, or per step.

    Columns per epoch: `epoch`, `step`, `loss` (mean of the epoch's steps), `validation_loss`, each of the task's
    metrics, `learning_rate` (of the epoch's last step). Columns per step: `step`, `epoch`, `loss` (mean of the epoch's
    steps so far), `learning_rate`. Epochs and steps count from 1; Keras's own CSVLogger counts from 0 and has epochs
    only.

    Each line is written before the training goes on: the file of an interrupted run is complete. A run that is resumed
    goes on in the same file; lines of steps that come again are taken back first.
    """

    name = "csv"
    only_watches = True

    class Options(glueft.Options):
        """How often, and where to."""

        every: Literal["epoch", "step"] = glueft.Field("epoch", description="Write a line per epoch, or per step.")
        file: InRunFolder = glueft.Field("metrics.csv", description="The name of the file, in the run folder.")

    table: Table
    watch: Watch

    def claims(self) -> tuple[str, ...]:
        """The file."""
        return (self.options.file,)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback. The file is created with its first line."""
        self.table = table = Table(run.folder / self.options.file)
        if self.options.every == "epoch":
            self.watch = Watch(
                run, on_epoch=lambda step, epoch, values: table.add({"epoch": epoch, "step": step}, values)
            )
        else:
            self.watch = Watch(
                run, on_step=lambda step, epoch, values: table.add({"step": step, "epoch": epoch}, values)
            )
        return self.watch.build()

    def state(self) -> dict[str, Any]:
        """Which lines are in the file."""
        return self.watch.state() | self.table.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back the lines that come again.

        Raises:
            PluginError: some of the others are gone.
        """
        self.watch.restore(state)
        self.table.restore(state)


class Table:
    """A CSV file that is written line by line; the names of the first line are its header."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[str] = []

    def add(self, counts: dict[str, int], values: Values) -> None:
        """Write a line, and the header before the first."""
        begin = not self.columns
        if begin:
            self.columns = [*counts, *values]
        with self.path.open("w" if begin else "a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            if begin:
                writer.writeheader()
            writer.writerow(counts | values)

    def state(self) -> dict[str, Any]:
        """The columns, and the length of the file in bytes, all of which is on the disk then."""
        return {"columns": list(self.columns), "bytes": synced_length(self.path) if self.columns else 0}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on behind the lines of a `state`."""
        self.columns = list(state["columns"]) if state["bytes"] else []
        if self.columns:
            cut(self.path, state["bytes"])
