"""Where a task's rows come from: the hub, a folder with the benchmark's own files, or the sample beside the task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.tsv import read_tsv
from glueft.errors import DataError
from glueft.files import expanded
from glueft.plugin.task import Task, TSVLayout
from glueft.tables.problems import listed
from glueft.tables.read_tables import dataset_dict

if TYPE_CHECKING:
    import datasets


class Source:
    """Where rows come from: what `Task.load` gets; see `glueft.plugin.task.Source`.

    Attributes:
        files: the local files that it has read.
    """

    kind: str

    def __init__(self) -> None:
        self.only: str | None = None
        self.also: tuple[str, ...] = ()
        self.provenance: dict[str, Any] = {"source": self.kind}
        self.warnings: list[str] = []
        self.files: list[Path] = []

    def warn(self, text: str) -> None:
        line = " ".join(str(text).splitlines()).strip()  # run.json keeps texts only
        if line and line not in self.warnings:
            self.warnings.append(line)

    def read(self, task: Task) -> datasets.DatasetDict:
        raise NotImplementedError

    def holds(self, task: Task, split: str) -> bool:
        """Whether the source has rows for a split, as far as can be told without reading them."""
        return True


class _FileSource(Source):
    """Files in the layout of the task."""

    _otherwise: str

    def read(self, task: Task) -> datasets.DatasetDict:
        if task.tsv is None:
            raise DataError(
                f'the task "{task.name}" cannot be read from files',
                expected="a task class that sets `tsv`, the layout of its files",
                received=f"{type(task).__name__}.tsv = None",
                fix=self._otherwise,
            )
        if self.only not in (None, *task.tsv.files):
            return _nothing()
        folder = task_folder(self._place(task), task.tsv, self.only)
        splits, left_out, files = _read_folder(folder, task, task.tsv, self.only)
        self.files += files
        self.provenance = {"source": self.kind} | self._origin(task, folder) | left_out
        return splits

    def holds(self, task: Task, split: str) -> bool:
        if task.tsv is None or split not in task.tsv.files:
            return False
        place = self._place(task)
        below = place / task.tsv.folder
        return _has_file(below if below.is_dir() else place, task.tsv, split)

    def _place(self, task: Task) -> Path:
        """Return the folder with the task's folder in it."""
        raise NotImplementedError

    def _origin(self, task: Task, folder: Path) -> dict[str, Any]:
        raise NotImplementedError


class FolderSource(_FileSource):
    """A folder in GLUE's layout: `DATA_DIR/MRPC/train.tsv`; `DATA_DIR` may also be the folder of the task's own files.

    Attributes:
        folder: the folder that was given.
    """

    kind = "folder"
    _otherwise = 'read it from the hub: [data] source = "hub"'

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = expanded(folder).absolute()

    def _place(self, task: Task) -> Path:
        return self.folder

    def _origin(self, task: Task, folder: Path) -> dict[str, Any]:
        return {"folder": str(folder)}


class SampleSource(_FileSource):
    """The small sample that ships beside the task's module, for runs without a network."""

    kind = "sample"
    _otherwise = "read the task from another source"

    def holds(self, task: Task, split: str) -> bool:
        return task.sample is not None and super().holds(task, split)

    def _place(self, task: Task) -> Path:
        if task.sample is None:
            raise DataError(
                f'the task "{task.name}" ships no sample',
                expected="a task class that sets `sample`",
                received=f"{type(task).__name__}.sample = None",
                fix="run without --sample, or with the benchmark's files: --data-dir DIR",
            )
        return Path(sys.modules[_owner(task).__module__].__file__ or "").parent / str(task.sample)

    def _origin(self, task: Task, folder: Path) -> dict[str, Any]:
        return {"package": _owner(task).__module__.partition(".")[0], "task": task.name}


def _owner(task: Task) -> type:
    """Return the class that ships a task's sample: it may be inherited from another package."""
    return next(cls for cls in type(task).__mro__ if "sample" in vars(cls))


class HubSource(Source):
    """The task's data set on the hub; what the local cache holds is read without a network.

    Args:
        revision: branch, tag or commit to read; None for the newest.
        cache_only: open no connection.
    """

    kind = "hub"

    def __init__(self, revision: str | None = None, *, cache_only: bool = False) -> None:
        super().__init__()
        self.revision, self.cache_only = revision, cache_only

    def read(self, task: Task) -> datasets.DatasetDict:
        from glueft.hub.datasets import load_hub_dataset

        if task.hub is None:
            raise DataError(
                f'the task "{task.name}" is not on the hub',
                expected="a task class that sets `hub`",
                received=f"{type(task).__name__}.hub = None",
                fix="read it from files (--data-dir DIR), or from its sample if it has one (--sample)",
            )
        if self.only not in (None, "train", *task.validation_splits, *task.test_splits):
            return _nothing()
        loaded = load_hub_dataset(task.hub, self.revision, cache_only=self.cache_only)
        self.provenance = {
            "source": self.kind,
            "dataset": task.hub.path,
            "config": task.hub.config,
            "revision": loaded.revision,
            "read_from": loaded.read_from,
        }
        names = {task.hub.columns.get(column, column): column for column in (*task.inputs, "label")}
        for split, rows in loaded.splits.items():
            # A missing column is reported by the check of rows.
            kept = {name: to for name, to in names.items() if name in rows.column_names}
            kept |= {name: name for name in self.also if name in rows.column_names and name not in kept}
            loaded.splits[split] = rows.select_columns([*kept]).rename_columns(kept) if kept else rows
        for split, name in task.hub.splits.items():
            if name in loaded.splits:
                loaded.splits[split] = loaded.splits.pop(name)
        return loaded.splits


class OwnFiles(Source):
    """Files that the task's options name: the task reads them itself, and says in `provenance` what it read."""

    kind = "files"

    def read(self, task: Task) -> datasets.DatasetDict:
        raise DataError(
            f'the task "{task.name}" does not read its files',
            expected="a task with `reads_own_files` that overrides `load`",
            received=f"{type(task).__name__}.load = Task.load",
            fix="give the task's class a `load`, or tell the plugin's author",
        )


def make_source(data: Any, task: Task | type[Task] | None = None) -> Source:
    """Return the source that `data`, the section of a recipe, names, unless the task reads files of its own."""
    if task is not None and task.reads_own_files:
        return OwnFiles()
    if data.source == "folder":
        assert data.folder is not None, "the recipe's check lets no folder source through without a folder"
        return FolderSource(data.folder)
    if data.source == "sample":
        return SampleSource()
    return HubSource(data.revision)


def task_folder(folder: Path, layout: TSVLayout, only: str | None = None) -> Path:
    """Return the folder with a task's files: below `folder`, or `folder` itself.

    Args:
        folder: the one that the user named.
        layout: the task's.
        only: the split that is to be read; None for all.

    Raises:
        DataError: neither has them.
    """
    first = next(iter(layout.files)) if only is None else only
    names = [file.name for file in layout.candidates(first)]
    below = folder / layout.folder
    if below.is_dir():
        return below
    if _has_file(folder, layout, first):
        return folder
    try:
        entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
        received = f"a folder with: {listed(entries)}" if entries else "an empty folder"
    except OSError as error:
        received = (error.strerror or str(error)).lower()
    raise DataError(
        f"{folder} does not hold the task's files",
        expected=f"{layout.folder}/{names[0]} in that folder, or {names[0]} itself",
        received=received,
        fix=f"give the folder that contains {layout.folder}/ (the letters' case counts)",
    )


def _has_file(folder: Path, layout: TSVLayout, split: str) -> bool:
    return any((folder / file.name).is_file() for file in layout.candidates(split))


def _nothing() -> datasets.DatasetDict:
    """Return no splits: the answer for a split that the task has elsewhere."""
    import datasets

    return datasets.DatasetDict()


def _read_folder(
    folder: Path, task: Task, layout: TSVLayout, only: str | None
) -> tuple[datasets.DatasetDict, dict[str, Any], list[Path]]:
    """Read the files of a layout, or that of one split; those of test splits may be absent, or without labels.

    Returns:
        The splits, `{"left_out": {split: lines}}` where broken lines were left out, and the files.
    """
    tables, files = {}, []
    wanted = [split for split in layout.files if only in (None, split)]
    for split in wanted:
        candidates = layout.candidates(split)
        there = [file for file in candidates if (folder / file.name).exists()]
        if split in task.test_splits and not there:
            continue
        file = (there or candidates)[0]
        labelled, short_rows = split not in task.test_splits, layout.short_rows.get(split, 0)
        files.append(folder / file.name)
        tables[split] = read_tsv(folder / file.name, task, file, labelled=labelled, short_rows=short_rows)
    if not tables:  # One split that is asked for, or a task of test splits, whose other rows come from elsewhere.
        names = [file.name for split in wanted for file in layout.candidates(split)]
        raise DataError(
            f"{folder} holds none of the task's files",
            expected=" or ".join(names),
            received=listed(sorted(entry.name for entry in folder.iterdir())) or "an empty folder",
            fix=f"put {names[-1]} there",
        )
    left_out = {split: table.left_out for split, table in tables.items() if table.left_out}
    columns = {
        split: dict(zip(task.inputs, table.texts, strict=True)) | {"label": table.labels}
        for split, table in tables.items()
    }
    return dataset_dict(columns, task.inputs, task.labels), {"left_out": left_out} if left_out else {}, files
