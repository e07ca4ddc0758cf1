"""The progress of a run as a CSV file, for a spreadsheet or pandas."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Literal

import glueft
from glueft_callbacks.names import InRunFolder
from glueft_callbacks.watch import Values, watch

if TYPE_CHECKING:
    from pathlib import Path

    import keras


class CSV(glueft.Callback):
    """Writes a CSV file into the run folder: a line per epoch, or per step.

    Columns per epoch: `epoch`, `step`, `loss` (mean of the epoch's steps), `validation_loss`, each of the task's
    metrics, `learning_rate` (of the epoch's last step). Columns per step: `step`, `epoch`, `loss` (mean of the epoch's
    steps so far), `learning_rate`. Epochs and steps count from 1; Keras's own CSVLogger counts from 0 and has epochs
    only.

    Each line is written before the training goes on: the file of an interrupted run is complete.
    """

    name = "csv"

    class Options(glueft.Options):
        """How often, and where to."""

        every: Literal["epoch", "step"] = glueft.Field("epoch", description="Write a line per epoch, or per step.")
        file: InRunFolder = glueft.Field("metrics.csv", description="The name of the file, in the run folder.")

    def claims(self) -> tuple[str, ...]:
        """The file."""
        return (self.options.file,)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback. The file is created with its first line."""
        table = Table(run.folder / self.options.file)
        if self.options.every == "epoch":
            return watch(run, on_epoch=lambda step, epoch, values: table.add({"epoch": epoch, "step": step}, values))
        return watch(run, on_step=lambda step, epoch, values: table.add({"step": step, "epoch": epoch}, values))


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
