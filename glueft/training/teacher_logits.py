"""The logits of a teacher, computed once before the training. Importing this module imports Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glueft.data.array_files import read_arrays, write_arrays
from glueft.text import counted
from glueft.training import engine
from glueft.training.teacher import as_teacher

if TYPE_CHECKING:
    from glueft.training.progress import Progress
    from glueft.training.session import Session


def ask_teacher(session: Session, folder: Path | None, progress: Progress) -> None:
    """Give the batches of a session the teacher's logits of the training rows, if it has a teacher; before its `load`.

    Those of windows are pooled. They are computed on one device, and the teacher's model is gone afterwards.

    Args:
        session: gets them.
        folder: where logits are kept for other runs on the same rows, and read if they are there; None for nowhere.
        progress: shows the phase; is told where they cannot be kept.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    if session.teacher is None:
        return
    teacher, rows, task, jit_compile = session.teacher, session.rows["train"], session.task, session.jit_compile
    path = None if folder is None else folder / f"teacher-{teacher.key(rows, task, jit_compile)}.npz"
    kept = {} if path is None else read_arrays(path)
    if "logits" in kept:
        session.batches.teacher = kept["logits"]
        return
    with progress.phase(f"logits of the teacher for {counted(len(rows), 'row')}"):
        with teacher.loaded(task, jit_compile) as models, as_teacher():
            logits = engine.predict(models[0], teacher.batches(rows, models[0]))
        if path is not None:
            write_arrays(path, {"logits": logits}, "the logits of the teacher", progress.say)
    session.batches.teacher = logits
