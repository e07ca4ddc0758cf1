"""The saved states of a run that trains: `checkpoints/step-<steps done>/` in its folder.

Each appears whole or not at all, by a rename, so that the names of the folders tell what there is.
"""

from __future__ import annotations

import re
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from glueft.files import remove_folder

FOLDER = "checkpoints"
# The files of a state: its arrays, and all else.
ARRAYS = "state.safetensors"
STATE = "state.json"

# The logits of a run's teacher, where no folder for the runs of a study keeps them: a run that goes on needs them too.
TEACHER_FILES = "teacher-*.npz"

_NAME = re.compile(r"step-(0|[1-9]\d{0,17})")


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return the place of the state after a step, in a run folder."""
    return run / FOLDER / f"step-{step}"


def saved_steps(run: Path) -> list[int]:
    """Return the steps of the states in a run folder, in their order."""
    try:
        names = [entry.name for entry in (run / FOLDER).iterdir() if entry.is_dir()]
    except OSError:
        return []
    return sorted(int(found[1]) for found in map(_NAME.fullmatch, names) if found)


def newest_step(run: Path) -> int | None:
    """Return the step of the newest state in a run folder; None if there is none."""
    return max(saved_steps(run), default=None)


def remove_states(run: Path, kept: Container[int | None] = ()) -> bool:
    """Remove the saved states of a run, but those after some steps; return whether there was one to remove.

    If none is kept, the logits of its teacher go too.
    """
    surplus = [step for step in saved_steps(run) if step not in kept]
    for step in surplus:
        remove_folder(checkpoint_folder(run, step))
    with suppress(OSError):  # It is not empty.
        for file in (run / FOLDER).glob(TEACHER_FILES) if kept == () else ():
            file.unlink()
        (run / FOLDER).rmdir()
    return bool(surplus)
