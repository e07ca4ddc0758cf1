"""`checkpoint = "run:FOLDER"`: a run that begins with the model of another one, its parent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.data.held_out import HELD_OUT
from glueft.encoder.checkpoint_finder import Checkpoint, find_checkpoint
from glueft.errors import CheckpointError, RunFolderError
from glueft.files import expanded
from glueft.recipe.sections import RUN, Model
from glueft.runs.folder import find_run_folder
from glueft.runs.models import refuse_without_model
from glueft.runs.record import ParentRun
from glueft.runs.run import Run

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.plugin.registry import Registry
    from glueft.plugin.task import Task


@dataclass(frozen=True)
class Parent:
    """The run whose model another one begins with.

    Attributes:
        folder: absolute.
        task: its name.
        labels: of its head, () in regression.
        record: what run.json says of it.
        held_out: SHA-256 of the rows that it held out; None if it held out none.
        multi_label: whether its head gives a row any number of the labels.
    """

    folder: Path
    task: str
    labels: tuple[str, ...]
    record: ParentRun
    held_out: str | None = None
    multi_label: bool = False

    def gives_head(self, task: Task) -> bool:
        """Whether the head comes with the encoder: that of another task never does, whatever its labels are called."""
        same_kind = self.task == task.name and self.multi_label == task.multi_label
        return same_kind and sorted(self.labels) == sorted(task.labels)

    def text(self, *, new_head: bool) -> str:
        """Return `the encoder of mnli-20260131-120000-a1b2c3 (mnli), with a new head`."""
        of = f"of {self.folder.name} ({self.task})"
        return f"the encoder {of}, with a new head" if new_head else f"the encoder and the head {of}"

    def may_have_seen(self, task: Task, held_out: Rows) -> bool:
        """Whether it may have been trained on the rows that a run of a task holds out."""
        return self.task == task.name and self.held_out != held_out.sha256


def find_start(model: Model, registry: Registry | None = None) -> tuple[Checkpoint, Parent | None]:
    """Find the checkpoint of a recipe as `find_checkpoint` does, and the run that it is the model of.

    Raises:
        RunFolderError: there is no such run, it is not done, or its model is gone.
        CheckpointError: its model is not the one that it has saved; or as `find_checkpoint`.
        HubError: as `find_checkpoint`.
    """
    if not model.checkpoint.startswith(RUN):
        return find_checkpoint(model.checkpoint, model.revision, registry), None
    checkpoint, run = find_model(model.checkpoint, registry)
    return checkpoint, parent_of(run, checkpoint)


def find_model(name: str, registry: Registry | None = None) -> tuple[Checkpoint, Run]:
    """Find the model of a run, whose name begins with "run:". The errors are those of `find_start`."""
    place = expanded(name.removeprefix(RUN))
    try:
        run = Run.open(place)
        refuse_without_model(run)
    except RunFolderError as error:
        raise RunFolderError(
            f"the checkpoint {name} cannot be used: {error.message}",
            expected=error.expected,
            received=error.received,
            fix="leave run: out: it is a checkpoint of its own"
            if find_run_folder(place) is None and (place / "config.json").is_file()
            else error.fix,
        ) from None
    found = find_checkpoint(str(run.model_folder), registry=registry)
    recorded = run.record.model.sha256
    changed = sorted(name for name, sha256 in recorded.items() if found.fingerprints.get(name) != sha256)
    if changed:
        raise CheckpointError(
            f"the checkpoint {name} is not the model that the run has saved",
            expected="the files whose SHA-256 run.json has",
            received=f"{', '.join(changed)} changed since the run",
            fix=f"restore them, or name the folder as it is: {run.model_folder}",
        )
    return replace(found, name=name), run


def parent_of(run: Run, model: Checkpoint) -> Parent:
    """Return what there is to know of a run whose model is used."""
    record = ParentRun(
        folder=str(run.folder),
        task=run.record.task,
        checkpoint=run.record.checkpoint.name,
        sha256=run.record.model.sha256 or model.fingerprints,
    )
    held_out = run.record.data.splits.get(HELD_OUT)
    sha256 = None if held_out is None else held_out.sha256
    return Parent(run.folder, run.record.task, run.labels, record, sha256, run.record.multi_label)
