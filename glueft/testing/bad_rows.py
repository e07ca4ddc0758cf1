"""Checks that a train file with a mistake is refused, with an error that says what to fix.

The files of a `tsv` layout are broken by what the layout says. Files that a task's own `load` reads, in whatever
format, are broken where they hold the first text.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from glueft.data.rows import Rows, load_rows, names_of
from glueft.data.sources import FolderSource, OwnFiles, Source, task_folder
from glueft.errors import GlueftError
from glueft.plugin.attribution import AttributedError, place, said
from glueft.plugin.task import Task, TSVFile, TSVLayout
from glueft.testing.check import ContractBrokenError, NotCheckedError, Subject

# Files that a check copies; a sample is small.
LARGEST = 50_000_000


@dataclass(frozen=True)
class Mistake:
    """A mistake in the file with the train rows.

    Attributes:
        what: "an empty train file", or what follows "a train file with".
        content: of the file; None for no file.
        may_load: whether a `load` may accept it: one that expects another encoding does.
    """

    what: str
    content: bytes | None
    may_load: bool = False


def bad_rows(subject: Subject) -> str:
    """Each way to break the train file is refused."""
    task = subject.task
    with tempfile.TemporaryDirectory() as copy:
        if type(task).load is not Task.load and not _reads_layout(subject):
            return _own_files(subject, Path(copy))
        if task.tsv is None:
            raise NotCheckedError("it has no `tsv` layout whose files could be broken")
        folder = _layout_folder(subject, task.tsv)
        file = next((file for file in task.tsv.candidates("train") if (folder / file.name).is_file()), None)
        if file is None:
            raise NotCheckedError("its train rows are in no file of its layout")
        own = Path(copy) / task.tsv.folder
        shutil.copytree(folder, own)
        mistakes = _mistakes_of_layout(task, file, (own / file.name).read_text(encoding="utf-8"))
        return _refused(subject, partial(load_rows, task, FolderSource(copy)), own / file.name, mistakes)


def _refused(subject: Subject, load: Callable[[], object], file: Path, mistakes: Iterator[Mistake]) -> str:
    """Make each mistake in a file and check that the rows are not loaded; return the mistakes in words."""
    refused = []
    for mistake in mistakes:
        if mistake.content is None:
            file.unlink()
        else:
            file.write_bytes(mistake.content)
        what = mistake.what if "train file" in mistake.what else f"a train file with {mistake.what}"
        try:
            load()
        except Exception as raised:
            error = raised.__cause__ if isinstance(raised, AttributedError) and raised.__cause__ else raised
            if not isinstance(error, GlueftError):
                raise ContractBrokenError(
                    f"{what} gives {said(error)}{place(subject.cls, error)}; raise a glueft.DataError that "
                    "names the file and the line"
                ) from error
        else:
            if not mistake.may_load:
                raise ContractBrokenError(f"{what} is loaded without an error; refuse it with a glueft.DataError")
        refused.append(mistake.what)
    return "refused: " + ", ".join(refused)


def _layout_folder(subject: Subject, layout: TSVLayout) -> Path:
    """The folder with the files of the task's layout."""
    if subject.data_dir is not None:
        return task_folder(subject.data_dir, layout)
    owner = next(cls for cls in subject.cls.__mro__ if "sample" in vars(cls))
    module = Path(sys.modules[owner.__module__].__file__ or "")
    return task_folder(module.parent / str(subject.task.sample), layout)


def _reads_layout(subject: Subject) -> bool:
    """Whether a task's own `load` gives the rows of its layout's files, wherever the folder is."""
    task = subject.task
    if task.tsv is None or task.reads_own_files or (task.sample is None and subject.data_dir is None):
        return False
    try:
        return _same_rows(load_rows(task, FolderSource(_layout_folder(subject, task.tsv))), subject.rows)
    except Exception:
        return False


def _same_rows(first: dict[str, Rows], second: dict[str, Rows]) -> bool:
    return {split: rows.sha256 for split, rows in first.items()} == {s: rows.sha256 for s, rows in second.items()}


def _mistakes_of_layout(task: Task, file: TSVFile, text: str) -> Iterator[Mistake]:
    lines = text.splitlines()
    header = lines[0].split("\t") if file.header else []
    first = 1 if file.header else 0
    columns = {ours: header.index(col) if isinstance(col, str) else col for ours, col in (file.columns or {}).items()}

    def mistake(what: str, line: int, cells: list[str]) -> Mistake:
        changed = [*lines[:line], "\t".join(cells), *lines[line + 1 :]]
        return Mistake(what, "".join(f"{line}\n" for line in changed).encode())

    def with_cell(cells: list[str], column: int, cell: str) -> list[str]:
        return [*cells[:column], cell, *cells[column + 1 :]]

    row = lines[first].split("\t")
    wrong = "no-such-label" if task.labels else "no-number"
    yield mistake("an unknown label", first, with_cell(row, columns["label"], wrong))
    if task.score_range is not None:
        high = str(task.score_range[1] + 1)
        yield mistake("a score out of range", first, with_cell(row, columns["label"], high))
    at_text = columns[task.inputs[0]]
    if not task.empty_text:
        yield mistake("a row without text", first, with_cell(row, at_text, ""))
    if len(row) > 1 and "train" not in (task.tsv.short_rows if task.tsv else {}):
        yield mistake("a row cut short", first, row[:-1])
    if file.header:
        yield mistake("a missing column", 0, with_cell(header, at_text, f"not_{header[at_text]}"))


def _own_files(subject: Subject, folder: Path) -> str:
    """Break copies of the files that a task's own `load` reads.

    Args:
        subject: the task.
        folder: an empty one, for the copies.

    Raises:
        NotCheckedError: which files it reads cannot be found out.
    """
    task = subject.task
    data_dir = None if task.reads_own_files else subject.data_dir
    paths = _paths(task) if data_dir is None else {}
    if data_dir is None and not paths:
        raise NotCheckedError(
            "no option names the files that its own `load` reads, so that none could be broken; let an option of "
            "type glueft.LocalPath say where they are"
        )
    originals = [*paths.values(), *([data_dir] if data_dir else [])]
    if sum(file.stat().st_size for path in originals for file in _files(path)) > LARGEST:
        raise NotCheckedError("its files are too large to be copied and broken; check it with a few rows")
    copies = {path: _copy(path, folder / str(number)) for number, path in enumerate(originals)}
    changed = {option: str(copies[path]) for option, path in paths.items()}
    moved = type(task)(task.options.model_copy(update=changed))
    source: Source = FolderSource(copies[data_dir]) if data_dir else OwnFiles()
    load = partial(load_rows, moved, source)
    try:
        same = _same_rows(load(), subject.rows)
    except Exception:
        same = False
    if not same:
        raise NotCheckedError("its own `load` gives other rows from a copy of its files, so that none could be broken")
    train = subject.rows["train"]
    file, text = _train_file([file for copy in copies.values() for file in _files(copy)], train.texts[0][0])
    return _refused(subject, load, file, _mistakes_around(moved, train, file, text))


def _paths(task: Task) -> dict[str, Path]:
    """The options that name an existing file or folder."""
    values: dict[str, Any] = task.options.model_dump()
    named = {name: Path(value) for name, value in values.items() if isinstance(value, str) and value.strip()}
    return {name: path for name, path in named.items() if "\0" not in str(path) and path.exists()}


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _copy(path: Path, folder: Path) -> Path:
    """A copy of a file or folder, under the same name."""
    folder.mkdir()
    made = folder / (path.name or "files")
    if path.is_dir():
        shutil.copytree(path, made)
    else:
        shutil.copy2(path, made)
    return made


def _train_file(files: list[Path], text: str) -> tuple[Path, bytes]:
    """Return the file with the train rows, and how it writes the first of their texts; b"" where that is not found.

    Raises:
        NotCheckedError: there are several files, and the text is in none or in several of them.
    """
    escaped = [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)]
    written = [form.encode() for form in dict.fromkeys([text, *escaped, text.replace('"', '""')]) if form]
    found = [(file, form) for file in files for form in written if form in file.read_bytes()]
    found = [pair for pair in found if "train" in str(pair[0].name).lower()] or found
    if found and len({file for file, _ in found}) == 1:
        return found[0]
    if len(files) == 1:
        return files[0], b""
    raise NotCheckedError("which of its files holds the train rows cannot be told, so that none could be broken")


def _mistakes_around(task: Task, rows: Rows, file: Path, text: bytes) -> Iterator[Mistake]:
    """Mistakes in a file of whatever format, around its first text."""
    whole = file.read_bytes()
    yield Mistake("no train file", None)
    yield Mistake("an empty train file", b"")
    if not text:
        return
    yield Mistake("a train file that is not UTF-8", whole.replace(text, b"\xff\xfe" + text, 1), may_load=True)
    if not task.empty_text:
        yield Mistake("a row without text", whole.replace(text, b"", 1))
    lines = whole.splitlines(keepends=True)
    at = next((at for at, line in enumerate(lines) if text in line), None)
    if at is None:
        return

    def with_line(number: int, line: bytes) -> bytes:
        return b"".join([*lines[:number], line, *lines[number + 1 :]])

    row = lines[at].rstrip(b"\r\n")
    before, after = row.split(text, 1)
    # The label is searched around the text only, and must occur there once.
    for label in _label_forms(type(task), rows):
        pattern = rb"(?<![\w.])" + re.escape(label) + rb"(?![\w.])"
        if len(re.findall(pattern, before)) + len(re.findall(pattern, after)) == 1:
            parts = [re.sub(pattern, b"no-such-label", part) for part in (before, after)]
            yield Mistake("an unknown label", with_line(at, text.join(parts) + b"\n"))
            break
    suffix = file.suffix.lower()
    if suffix in (".json", ".jsonl", ".ndjson"):
        yield Mistake("a row cut short", with_line(at, before + text + b"\n"))
    mark = {".csv": b",", ".tsv": b"\t"}.get(suffix)
    if mark and mark in row:
        yield Mistake("a row cut short", with_line(at, row.rpartition(mark)[0] + b"\n"))
        if at > 0:
            cells = lines[0].rstrip(b"\r\n").split(mark)
            yield Mistake("missing columns", with_line(0, mark.join(b"not_" + cell for cell in cells) + b"\n"))


def _label_forms(cls: type[Task], rows: Rows) -> list[bytes]:
    """How a file may write the label of the first row; nothing where a task learns its labels from the rows."""
    label = rows.labels[0]
    if label.ndim == 1:
        forms = (names_of(label, rows.label_names) or []) if cls.labels else []
    elif rows.label_names:
        forms = [rows.label_names[int(label)], str(int(label))] if cls.labels else []
    else:
        forms = [f"{float(label):g}", str(float(label))]
    return [form.encode() for form in dict.fromkeys(forms)]
