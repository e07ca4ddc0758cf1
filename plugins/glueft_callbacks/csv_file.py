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
    """Writes a CSV file into the run folder: a line an epoch, or a line a step.

    Columns of an epoch's line: `epoch`, `step`, `loss` (mean of the epoch's steps), `validation_loss`, one for each of
    the task's metrics, `learning_rate` (of the epoch's last step). Columns of a step's line: `step`, `epoch`, `loss`
    (mean of the epoch's steps so far), `learning_rate`. Epochs and steps count from 1, as everywhere in glueft; Keras's
    own CSVLogger counts from 0, and knows epochs only.

    Each line is on the disk before the training goes on, so that the file of an interrupted run is whole.
    """

    name = "csv"

    class Options(glueft.Options):
        """How often, and where to."""

        every: Literal["epoch", "step"] = glueft.Field("epoch", description="Write a line an epoch, or a line a step.")
        file: InRunFolder = glueft.Field("metrics.csv", description="The file's name; it lies in the run folder.")

    def claims(self) -> tuple[str, ...]:
        """The file."""
        return (self.options.file,)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback. The file is made with its first line."""
        table = Table(run.folder / self.options.file)
        if self.options.every == "epoch":
            return watch(run, on_epoch=lambda step, epoch, values: table.add({"epoch": epoch, "step": step}, values))
        return watch(run, on_step=lambda step, epoch, values: table.add({"step": step, "epoch": epoch}, values))


class Table:
    """A CSV file that grows by a line at a time; the first line's names are its header."""

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
