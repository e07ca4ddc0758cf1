"""Run folders: making them, finding them, and the errors of writing into them."""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from glueft.errors import GlueftError, RunFolderError
from glueft.files import cannot_write, remove_leftovers, whole_folder, writing
from glueft.runs.checkpoints import FOLDER as CHECKPOINTS

_EXPECTED = "a run folder that stays, on a disk with room for what the run leaves behind"
_FIX = "make room, or name another place with --output-dir; what is in the run folder is whole"


@contextmanager
def new_run_folder(output_dir: Path, task_name: str) -> Iterator[tuple[Path, Path]]:
    """Give the place of a new run, `<output_dir>/<task>-<time>-<id>`, and a folder that is moved there at the end.

    A run that is killed in the block leaves nothing that is not removed by the next one.

    Raises:
        RunFolderError: the folder cannot be made.
    """
    folder = output_dir / f"{task_name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    try:
        with whole_folder(folder) as beside:
            yield folder, beside
    except OSError as error:
        raise RunFolderError(
            f"the run folder {folder} cannot be made",
            expected="a folder that can be written to, or a path where one can be made",
            received=error.strerror or str(error),
            fix="name another place with --output-dir",
        ) from error
    # Other things in `output_dir`, such as a mount that does not answer, must not stop the run.
    with suppress(OSError), os.scandir(output_dir) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_leftovers_of_run(Path(entry.path))


def remove_leftovers_of_run(folder: Path) -> None:
    """Remove what a killed process has left unfinished in a run folder."""
    for place in (folder, folder / "predictions", folder / CHECKPOINTS):
        remove_leftovers(place)


def find_run_folder(path: str | os.PathLike[str]) -> Path | None:
    """Return the run folder that a path means, itself or as its `model/`; None if it is neither."""
    # Not resolved: a link named model may point anywhere, and the run folder is where the link is.
    folder = Path(os.path.abspath(path))  # noqa: PTH100
    # A dangling link counts: then run.json is the file that cannot be read.
    if os.path.lexists(folder / "run.json"):
        return None if is_published(folder) else folder
    # It may have been removed to save room.
    if folder.name == "model" and os.path.lexists(folder.parent / "run.json"):
        return folder.parent
    return None


def is_published(folder: Path) -> bool:
    """Whether a folder is what `glueft push` publishes of a run: a checkpoint, with its run.json beside the model."""
    return all((folder / name).is_file() for name in ("run.json", "config.json")) and not (folder / "model").exists()


def no_run_folder(path: Path) -> RunFolderError:
    """Return the error for a path that is no run folder."""
    fix = "name a folder that glueft run has left, such as runs/mrpc-20260131-120000-a1b2c3"
    shown = shlex.quote(str(path))
    if not path.exists():
        received = "nothing of that name"
    elif not path.is_dir():
        received = "a file"
        if path.suffix == ".toml":
            fix = f"a recipe is run with: glueft run {shown}; a study is run, and goes on, with: glueft study {shown}"
    else:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        received = "a folder with " + ", ".join(names[:8]) + ", ..." * (len(names) > 8) if names else "an empty folder"
        runs = sorted(inside.parent.name for inside in path.glob("*/run.json"))
        if runs:
            fix = f"name one of the runs in it: {', '.join(runs[:5])}" + ", ..." * (len(runs) > 5)
        elif "study.json" in names:
            received = "the folder of a study"
            again = f"glueft study {shlex.quote(str(path / 'study.toml'))} --output-dir {shlex.quote(str(path.parent))}"
            fix = f"name one of its runs, which glueft list-runs {shown} lists; the study goes on with: {again}"
        elif "config.json" in names:
            if is_published(path):
                received = "what glueft push publishes of a run, the model beside run.json"
            fix = f"a checkpoint that is no run's is evaluated with: glueft evaluate --task NAME --checkpoint {path}"
    return RunFolderError(
        f"{path}: this is not a run folder",
        expected="a folder with the run.json of a run",
        received=received,
        fix=fix,
    )


def writing_in_run(path: Path, needed: int | None = None) -> AbstractContextManager[None]:
    """Turn an error of writing a file of a run that trains, such as a full disk, into a RunFolderError."""
    return writing(path, RunFolderError, expected=_EXPECTED, fix=_FIX, needed=needed)


def cannot_write_in_run(folder: Path, fault: OSError) -> GlueftError:
    """Return the error for a file that glueft does not know: a callback's, for one."""
    path = folder if fault.filename is None else Path(os.fsdecode(fault.filename))
    return cannot_write(path, fault, RunFolderError, expected=_EXPECTED, fix=_FIX)
