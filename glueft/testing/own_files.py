"""Breaks the files that a task's own `load` reads, whatever their format: what every `load` must refuse."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from glueft.data.rows import Rows, load_rows
from glueft.data.sources import FolderSource, OwnFiles, Source
from glueft.plugin.task import Task
from glueft.testing.check import NotCheckedError
from glueft.testing.subject import Subject

# A check copies the files once; a sample is small.
LARGEST = 50_000_000


@dataclass(frozen=True)
class Broken:
    """One mistake in the file with the train rows.

    Attributes:
        what: in words, `an empty train file`.
        content: of the file; None for no file.
        may_load: whether a `load` may read it all the same, as one that expects another encoding does.
    """

    what: str
    content: bytes | None
    may_load: bool = False


class OwnFilesCopy:
    """Copies of the files that a task's own `load` reads, and the task made to read them.

    Args:
        subject: its task has a `load` of its own.
        folder: an empty one, for the copies.

    Raises:
        NotCheckedError: which files it reads is not to be seen, or it reads others as well.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        task = subject.task
        paths = _paths(task)
        data_dir = None if task.reads_own_files else subject.data_dir
        if data_dir is not None:
            paths = {}
        elif not paths:
            raise NotCheckedError(
                "no option names the files that its own `load` reads, so that none could be broken; let an option of "
                "type glueft.LocalPath say where they lie"
            )
        sources = [*paths.values(), *([data_dir] if data_dir else [])]
        if sum(file.stat().st_size for path in sources for file in _files(path)) > LARGEST:
            raise NotCheckedError("its files are too large to be copied and broken; check it with a few rows")
        copies = {path: _copy(path, folder / str(place)) for place, path in enumerate(sources)}
        self.files = [file for copy in copies.values() for file in _files(copy)]
        changed = {option: str(copies[path]) for option, path in paths.items()}
        self.task = type(task)(task.options.model_copy(update=changed))
        self.data_dir = copies[data_dir] if data_dir else None

    def load(self) -> dict[str, Rows]:
        """Load the rows from the copies."""
        source: Source = OwnFiles() if self.data_dir is None else FolderSource(self.data_dir)
        return load_rows(self.task, source)

    def check_whole(self) -> None:
        """Raise NotCheckedError unless the copies give the rows that the files give."""
        try:
            rows = self.load()
        except Exception:
            rows = {}
        if {split: one.sha256 for split, one in rows.items()} != {s: r.sha256 for s, r in self.subject.rows.items()}:
            raise NotCheckedError(
                "its own `load` gives other rows from a copy of its files, so that none could be broken"
            )

    @cached_property
    def train_file(self) -> tuple[Path, bytes]:
        """The file with the train rows, and how it writes the first text of them; empty where that is not to be seen.

        Raises:
            NotCheckedError: there are several files, and none is seen to be it.
        """
        text = self.subject.rows["train"].texts[0][0]
        escaped = [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)]
        written = [form.encode() for form in dict.fromkeys([text, *escaped, text.replace('"', '""')]) if form]
        found = [(file, form) for file in self.files for form in written if form in file.read_bytes()]
        found = [pair for pair in found if "train" in str(pair[0].name).lower()] or found
        if found and len({file for file, _ in found}) == 1:
            return found[0]
        if len(self.files) == 1:
            return self.files[0], b""
        raise NotCheckedError("which of its files holds the train rows cannot be told, so that none could be broken")

    def broken(self) -> Iterator[Broken]:
        """Yield each mistake; the file has it until the next one is asked for."""
        file, text = self.train_file
        whole = file.read_bytes()
        try:
            for mistake in _mistakes(self.task, self.subject.rows["train"], file, whole, text):
                if mistake.content is None:
                    file.unlink()
                else:
                    file.write_bytes(mistake.content)
                yield mistake
        finally:
            file.write_bytes(whole)


def break_own_files(subject: Subject) -> Iterator[tuple[OwnFilesCopy, Broken]]:
    """Yield the task on copies of its files once for each mistake, which lasts until the next is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        copy = OwnFilesCopy(subject, Path(folder))
        copy.check_whole()
        for mistake in copy.broken():
            yield copy, mistake


def _paths(task: Task) -> dict[str, Path]:
    """The options that name a file or folder that is there."""
    values: dict[str, Any] = task.options.model_dump()
    named = {name: Path(value) for name, value in values.items() if isinstance(value, str) and value.strip()}
    return {name: path for name, path in named.items() if "\0" not in str(path) and path.exists()}


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _copy(path: Path, folder: Path) -> Path:
    """A copy of a file or folder, of the same name."""
    folder.mkdir()
    made = folder / (path.name or "files")
    if path.is_dir():
        shutil.copytree(path, made)
    else:
        shutil.copy2(path, made)
    return made


def _mistakes(task: Task, rows: Rows, file: Path, whole: bytes, text: bytes) -> Iterator[Broken]:
    yield Broken("no train file", None)
    yield Broken("an empty train file", b"")
    if not text:
        return
    yield Broken("a train file that is not UTF-8", whole.replace(text, b"\xff\xfe" + text, 1), may_load=True)
    if not task.empty_text:
        yield Broken("a row without text", whole.replace(text, b"", 1))
    lines = whole.splitlines(keepends=True)
    at = next((at for at, line in enumerate(lines) if text in line), None)
    if at is None:
        return

    def with_line(place: int, line: bytes) -> bytes:
        return b"".join([*lines[:place], line, *lines[place + 1 :]])

    row = lines[at].rstrip(b"\r\n")
    before, after = row.split(text, 1)
    # The label of another text is looked for around the text alone, where it stands once.
    for label in _labels(type(task), rows):
        pattern = rb"(?<![\w.])" + re.escape(label) + rb"(?![\w.])"
        if len(re.findall(pattern, before)) + len(re.findall(pattern, after)) == 1:
            parts = [re.sub(pattern, b"no-such-label", part) for part in (before, after)]
            yield Broken("an unknown label", with_line(at, text.join(parts) + b"\n"))
            break
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in (".json", ".jsonl", ".ndjson"):
        yield Broken("a row cut short", with_line(at, before + text + b"\n"))
    mark = {".csv": b",", ".tsv": b"\t"}.get(suffixes[-1] if suffixes else "")
    if mark and mark in row:
        yield Broken("a row cut short", with_line(at, row.rpartition(mark)[0] + b"\n"))
        if at > 0:
            cells = lines[0].rstrip(b"\r\n").split(mark)
            yield Broken("missing columns", with_line(0, mark.join(b"not_" + cell for cell in cells) + b"\n"))


def _labels(cls: type[Task], rows: Rows) -> list[bytes]:
    """How a file may write the label of the first row; nothing where a task learns its labels from the rows."""
    label = rows.labels[0]
    if rows.label_names:
        forms = [rows.label_names[int(label)], str(int(label))] if cls.labels else []
    else:
        forms = [f"{float(label):g}", str(float(label))]
    return [form.encode() for form in dict.fromkeys(forms)]
