"""The model of a finished run: whether it is there, and its removal to save room."""

from __future__ import annotations

import shlex
from pathlib import Path

from glueft.errors import RunFolderError
from glueft.files import remove_folder
from glueft.hub.checkpoint_files import DECISION
from glueft.runs.clock import now
from glueft.runs.record import REPEAT
from glueft.runs.run import Run


def remove_model(folder: Path) -> None:
    """Remove `model/` of a finished run, and record when. Scores, predictions and report stay as they are.

    Raises:
        RunFolderError: this is no run folder, its run is not done, or run.json cannot be written: nothing is removed.
    """
    run = Run.open(folder)
    if run.model_folder.is_dir():
        run.record.model.removed = now()
        run.write_record()
        remove_folder(run.model_folder)


def refuse_without_model(run: Run) -> None:
    """Raise RunFolderError if a finished run has no model folder, and say if it was removed on purpose.

    So it is where the model has lost the file that says how its labels are decided: it would give other ones.
    """
    if run.model_folder.is_dir():
        if DECISION in run.record.model.sha256 and not (run.model_folder / DECISION).exists():
            raise RunFolderError(
                f"{run.model_folder}: {DECISION} is missing, and without it the model would give other labels",
                expected="the files of the model that run.json names",
                received=f"{', '.join(sorted(entry.name for entry in run.model_folder.iterdir()))}",
                fix=REPEAT,
            )
        return
    removed = run.record.model.removed
    there = ", ".join(sorted(entry.name for entry in run.folder.iterdir()))
    if removed is None:
        message, received, fix = f"{run.folder}: the model is missing", there, REPEAT
    else:
        message = f"{run.folder}: the model was removed to save room"
        received = f"no model since {removed[:10]}; there are {there}"
        again = f"glueft run {shlex.quote(str(run.folder / 'recipe.toml'))}"
        fix = f'train it again: {again}; a study keeps all models with keep_models = "all"'
    raise RunFolderError(message, expected="the folder model/ of the run", received=received, fix=fix)
