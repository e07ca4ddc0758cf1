"""Checks before training that the disk has room for what a run writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import RunFolderError
from glueft.files import files_left, free_bytes, size
from glueft.hub.checkpoint_files import CONFIG, TOKENIZER_FILES

if TYPE_CHECKING:
    from glueft.encoder.checkpoint import Checkpoint
    from glueft.training.session import Session

# For run.json, recipe.toml, history.jsonl, file headers, and disk blocks that are not filled.
MARGIN_BYTES = 2**20
# Files and folders that a run makes, and some more.
FILES = 32
# Saved states that there are at most at a time: the last two, the best, and the one that is being written.
STATES = 4
# What a state has of a weight: its value, and two numbers of an optimizer such as Adam.
NUMBERS_A_WEIGHT = 3
# The number of a row and the tabs, and the digits of a probability and of a score.
ROW_BYTES, DIGITS_BYTES, SCORE_BYTES = 12, 22, 14


def bytes_of_run(session: Session) -> int:
    """Estimate the bytes that a run writes: model in float32, tokenizer, predictions, margin; no files of callbacks."""
    recipe, model = session.recipe, bytes_of_model(session)
    if recipe.hub.push is not None and recipe.hub.when == "epoch":
        model += weight_bytes(session.checkpoint)  # a copy to push, beside the model
    labels = recipe.task.labels
    row = ROW_BYTES + 2 * max((len(name) for name in labels), default=SCORE_BYTES) + DIGITS_BYTES * len(labels)
    rows = sum(len(session.encoded[name].labels) for name in session.predicted)
    return model + rows * row + MARGIN_BYTES


def bytes_of_model(session: Session) -> int:
    """Estimate the bytes of `model/`, with the tokenizer."""
    files = sum(file_bytes(session.checkpoint.folder / name) for name in (CONFIG, *TOKENIZER_FILES))
    return weight_bytes(session.checkpoint) + files


def bytes_of_state(session: Session) -> int:
    """Estimate the bytes of a saved state of a training, at most; 0 if the recipe has none saved."""
    return NUMBERS_A_WEIGHT * weight_bytes(session.checkpoint) if session.recipe.training.checkpoint_minutes else 0


def no_room_for_states(session: Session, folder: Path) -> str | None:
    """Return what to tell where a run may be unable to save its states; a short run saves none.

    With room for two, one is there while the next is written.
    """
    state, needed, free, limit = bytes_of_state(session), bytes_of_run(session), free_bytes(folder), file_limit()
    lost = f"a run of more than {session.recipe.training.checkpoint_minutes:g} minutes could not be resumed"
    if state and free is not None and free < needed + 2 * state:
        return (
            f"the disk may have no room for saved states: {size(2 * state)} for two, beside {size(needed)} for what "
            f"the run leaves behind, and {size(free)} are free; {lost} (make room, or name another place with "
            "--output-dir)"
        )
    if state and limit is not None and limit < state:
        return (
            f"a saved state may be too large a file: {size(state)}, where {size(limit)} are allowed; {lost} (raise the "
            "limit: ulimit -f unlimited)"
        )
    return None


def weight_bytes(checkpoint: Checkpoint) -> int:
    """Return the bytes of a checkpoint's weights in float32, as the model folder will have them."""
    from glueft.encoder.tensor_files import read_headers

    return sum(4 * math.prod(tensor.shape) for tensor in read_headers(checkpoint.folder).values())


def file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def refuse_full_disk(session: Session, folder: Path, *, made: bool = True) -> None:
    """Check that a folder has room for a run.

    Args:
        session: of the run.
        folder: of the run.
        made: whether the folder has just been made, and might be elsewhere.

    Raises:
        RunFolderError: too few bytes or inodes are free, or the process may not write a file that large.
    """
    needed, free = bytes_of_run(session), free_bytes(folder)
    fix = "make room" + ", or name another place with --output-dir" * made
    if free is not None and free < needed:
        raise RunFolderError(
            f"{folder}: there is no room for what the run leaves behind",
            expected=f"{size(needed)}, most of it for the model",
            received=f"{size(free)} free",
            fix=fix,
        )
    largest, limit = weight_bytes(session.checkpoint), file_limit()
    if limit is not None and limit < largest:
        raise RunFolderError(
            f"{folder}: the model may not be written there",
            expected=f"files of up to {size(largest)}",
            received=f"a limit of {size(limit)} a file, set for this process",
            fix="raise the limit: ulimit -f unlimited",
        )
    files = files_left(folder)
    if files is not None and files < FILES:
        raise RunFolderError(
            f"{folder}: its disk has no room for more files",
            expected=f"{FILES} files and folders (inodes) that are free",
            received=str(files),
            fix=fix,
        )


def disk_of_plan(session: Session, folder: Path) -> Mapping[str, int | str | None]:
    """Return `disk` of a plan."""
    return {
        "folder": str(folder),
        "needed_bytes": bytes_of_run(session),
        "model_bytes": bytes_of_model(session),
        "free_bytes": free_bytes(folder),
        "states_bytes": STATES * bytes_of_state(session),
    }


def file_limit() -> int | None:
    """Return the largest size in bytes of a file that this process may write (`ulimit -f`); None if unlimited."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
