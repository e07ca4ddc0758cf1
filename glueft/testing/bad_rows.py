"""A file with a mistake in it is refused, with an error that says what to fix."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from glueft.data.rows import load_rows
from glueft.data.sources import FolderSource, task_folder
from glueft.errors import GlueftError
from glueft.plugin.attribution import AttributedError, place, said
from glueft.plugin.task import Task, TSVFile, TSVLayout
from glueft.testing.check import ContractBrokenError, NotCheckedError
from glueft.testing.own_files import break_own_files
from glueft.testing.subject import Subject


def bad_rows(subject: Subject) -> str:
    """Each way to break the train file is refused."""
    task = subject.task
    own_load = type(task).load is not Task.load
    if own_load and not _reads_layout(subject):
        return _own_files(subject)
    if task.tsv is None:
        raise NotCheckedError("it has no `tsv` layout whose files could be broken")
    folder = _files(subject, task.tsv)
    file = next((file for file in task.tsv.candidates("train") if (folder / file.name).is_file()), None)
    if file is None:
        raise NotCheckedError("its train rows are in no file of its layout")
    refused = []
    for what, text in _broken(task, file, (folder / file.name).read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(folder, Path(copy) / task.tsv.folder)
            (Path(copy) / task.tsv.folder / file.name).write_text(text, encoding="utf-8")
            load = partial(load_rows, task, FolderSource(copy))
            _check_refused(subject, load, f"a train file with {what}")
        refused.append(what)
    return "refused: " + ", ".join(refused)


def _files(subject: Subject, layout: TSVLayout) -> Path:
    """The folder with the task's files."""
    if subject.data_dir is not None:
        return task_folder(subject.data_dir, layout)
    owner = next(cls for cls in subject.cls.__mro__ if "sample" in vars(cls))
    module = Path(sys.modules[owner.__module__].__file__ or "")
    return task_folder(module.parent / str(subject.task.sample), layout)


def _reads_layout(subject: Subject) -> bool:
    """Whether a task's own `load` reads the files of its layout in the end, from whatever folder."""
    task = subject.task
    if task.tsv is None or task.reads_own_files or (task.sample is None and subject.data_dir is None):
        return False
    try:
        loaded = load_rows(task, FolderSource(_files(subject, task.tsv)))
    except Exception:
        return False
    return {split: rows.sha256 for split, rows in loaded.items()} == {s: r.sha256 for s, r in subject.rows.items()}


def _own_files(subject: Subject) -> str:
    """Break the files that a task's own `load` reads."""
    refused = []
    for copy, mistake in break_own_files(subject):
        what = mistake.what if "train file" in mistake.what else f"a train file with {mistake.what}"
        _check_refused(subject, copy.load, what, may_load=mistake.may_load)
        refused.append(mistake.what)
    return "refused: " + ", ".join(refused)


def _broken(task: Task, file: TSVFile, text: str) -> Iterator[tuple[str, str]]:
    """Yield each mistake in words, and the file with it."""
    lines = text.splitlines()
    header = lines[0].split("\t") if file.header else []
    first = 1 if file.header else 0
    columns = {ours: header.index(col) if isinstance(col, str) else col for ours, col in (file.columns or {}).items()}

    def with_row(fields: list[str]) -> str:
        return "\n".join([*lines[:first], "\t".join(fields), *lines[first + 1 :]]) + "\n"

    row = lines[first].split("\t")
    wrong = "no-such-label" if task.labels else "no-number"
    yield "an unknown label", with_row([wrong if at == columns["label"] else cell for at, cell in enumerate(row)])
    if task.score_range is not None:
        high = str(task.score_range[1] + 1)
        yield (
            "a score out of range",
            with_row([high if at == columns["label"] else cell for at, cell in enumerate(row)]),
        )
    if not task.empty_text:
        at_text = columns[task.inputs[0]]
        yield "a row without text", with_row(["" if at == at_text else cell for at, cell in enumerate(row)])
    if len(row) > 1 and "train" not in (task.tsv.short_rows if task.tsv else {}):
        yield "a row cut short", with_row(row[:-1])
    if file.header:
        gone = [f"not_{cell}" if at == columns[task.inputs[0]] else cell for at, cell in enumerate(header)]
        yield "a missing column", "\n".join(["\t".join(gone), *lines[1:]]) + "\n"


def _check_refused(subject: Subject, load: Callable[[], object], what: str, *, may_load: bool = False) -> None:
    try:
        load()
    except Exception as raised:
        error = raised.__cause__ if isinstance(raised, AttributedError) and raised.__cause__ else raised
        if isinstance(error, GlueftError):
            return
        raise ContractBrokenError(
            f"{what} gives {said(error)}{place(subject.cls, error)}; raise a glueft.DataError that "
            "names the file and the line"
        ) from error
    if not may_load:
        raise ContractBrokenError(f"{what} is loaded without a word; refuse it with a glueft.DataError")
