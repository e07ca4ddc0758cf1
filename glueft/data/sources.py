"""Where a task's rows come from: the hub, a folder with the benchmark's own files, or the sample beside the task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glueft.data.tsv import Table, read_tsv
from glueft.errors import DataError
from glueft.plugin.task import Task, TSVLayout
from glueft.tables.problems import listed

if TYPE_CHECKING:
    import datasets


class Source:
    """Where rows come from. `Task.load` gets one, and reads it as it is or in a way of its own.

    Attributes:
        kind: "hub", "folder" or "sample".
        only: the one split that `read` shall return, where it has it; None for all. A task of other splits gets none.
        provenance: after `read`, where the rows came from and how many broken lines were left out, for the run record.
        warnings: what `warn` was told so far, each once.
    """

    kind: str

    def __init__(self) -> None:
        self.only: str | None = None
        self.provenance: dict[str, Any] = {"source": self.kind}
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Say what whoever trains on these rows should know before: a label without rows, labels that look alike.

        `glueft run` and `plan` show it as "warning: ..." before the training, run.json keeps it in `warnings`, and the
        report and a model card repeat it. What makes the rows unusable is a DataError instead.

        Args:
            text: a sentence or two on one line, without a full stop at the end. Rows are named by their numbers, not
                by their texts, as a model card may be public.
        """
        line = " ".join(str(text).splitlines()).strip()  # run.json, which keeps it, has nothing but texts there
        if line and line not in self.warnings:
            self.warnings.append(line)

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read every split of a task, as its class attributes say.

        Returns:
            The splits that the source has, under the task's names, each with the task's input columns and `label`. A
            test split may be absent.

        Raises:
            DataError: a file or row is missing or malformed.
            HubError: the hub is out of reach and its cache does not hold the rows.
        """
        raise NotImplementedError

    def holds(self, task: Task, split: str) -> bool:
        """Whether the source has rows for a split, as far as can be told without reading them."""
        return True


class FolderSource(Source):
    """A folder in GLUE's layout: `DATA_DIR/MRPC/train.tsv`; `DATA_DIR` may also be the folder of the task's own files.

    Attributes:
        folder: the folder that was given.
    """

    kind = "folder"

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder).expanduser().absolute()

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read `task.tsv`'s files; see `Source.read`."""
        layout = _layout(task, 'read it from the hub: [data] source = "hub"')
        if self.only not in (None, *layout.files):
            return read_nothing()
        files = task_folder(self.folder, layout, self.only)
        splits, left_out = read_folder(files, task, layout, self.only)
        self.provenance = {"source": self.kind, "folder": str(files)} | left_out
        return splits

    def holds(self, task: Task, split: str) -> bool:
        """Whether there is a file for the split."""
        if task.tsv is None or split not in task.tsv.files:
            return False
        below = self.folder / task.tsv.folder
        return has_file(below if below.is_dir() else self.folder, task.tsv, split)


class SampleSource(Source):
    """The small sample that ships beside the task's module, for runs without a network."""

    kind = "sample"

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read the sample's files; see `Source.read`."""
        layout = _layout(task, "read the task from another source")
        if task.sample is None:
            raise DataError(
                f'the task "{task.name}" ships no sample',
                expected="a task whose class sets `sample`",
                received=f"{type(task).__name__}.sample = None",
                fix="run without --sample, or with the benchmark's files: --data-dir DIR",
            )
        if self.only not in (None, *layout.files):
            return read_nothing()
        owner, folder = _sample_folder(task)
        files = task_folder(folder, layout)
        splits, left_out = read_folder(files, task, layout, self.only)
        package = owner.__module__.partition(".")[0]
        self.provenance = {"source": self.kind, "package": package, "task": task.name} | left_out
        return splits

    def holds(self, task: Task, split: str) -> bool:
        """Whether the sample has a file for the split."""
        return task.sample is not None and FolderSource(_sample_folder(task)[1]).holds(task, split)


class HubSource(Source):
    """The task's data set on the hub.

    Attributes:
        revision: branch, tag or commit to read; None for the newest.
        cache_only: read what the local cache holds, and open no connection.
    """

    kind = "hub"

    def __init__(self, revision: str | None = None, *, cache_only: bool = False) -> None:
        super().__init__()
        self.revision = revision
        self.cache_only = cache_only

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read the data set of `task.hub`; see `Source.read`. What the local cache holds serves without a network."""
        from glueft.hub.datasets import load_hub_dataset

        if task.hub is None:
            raise DataError(
                f'the task "{task.name}" is not on the hub',
                expected="a task whose class sets `hub`",
                received=f"{type(task).__name__}.hub = None",
                fix="read it from files (--data-dir DIR), or from its sample if it has one (--sample)",
            )
        if self.only not in (None, "train", *task.validation_splits, *task.test_splits):
            return read_nothing()
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
            # A column that is missing is reported by the check of rows, with the names that there are.
            kept = {name: to for name, to in names.items() if name in rows.column_names}
            loaded.splits[split] = rows.select_columns([*kept]).rename_columns(kept) if kept else rows
        for split, name in task.hub.splits.items():
            if name in loaded.splits:
                loaded.splits[split] = loaded.splits.pop(name)
        return loaded.splits


class OwnFiles(Source):
    """Files that the task's options name: the task reads them itself, and says in `provenance` what it read."""

    kind = "files"

    def read(self, task: Task) -> datasets.DatasetDict:
        """Refuse: a task with `reads_own_files` has a `load` of its own."""
        raise DataError(
            f'the task "{task.name}" does not read its files',
            expected="a task with `reads_own_files` that overrides `load`",
            received=f"{type(task).__name__}.load = Task.load",
            fix="give the task's class a `load`, or tell the plugin's author",
        )


class DataSettings(Protocol):
    """What a recipe's [data] section says about the source."""

    @property
    def source(self) -> str: ...

    @property
    def folder(self) -> str | None: ...

    @property
    def revision(self) -> str | None: ...


def make_source(data: DataSettings, task: Task | type[Task] | None = None) -> Source:
    """The source that a recipe's [data] section names, unless the task reads files of its own."""
    if task is not None and task.reads_own_files:
        return OwnFiles()
    if data.source == "folder":
        assert data.folder is not None, "the recipe's check lets no folder source through without a folder"
        return FolderSource(data.folder)
    if data.source == "sample":
        return SampleSource()
    return HubSource(data.revision)


def task_folder(folder: Path, layout: TSVLayout, only: str | None = None) -> Path:
    """The folder that holds a task's files: below `folder`, or `folder` itself.

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
    if has_file(folder, layout, first):
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


def has_file(folder: Path, layout: TSVLayout, split: str) -> bool:
    """Whether one of the files that may hold a split lies in a folder."""
    return any((folder / file.name).is_file() for file in layout.candidates(split))


def read_nothing() -> datasets.DatasetDict:
    """No splits: what a source has of a task whose rows are not asked for."""
    import datasets

    return datasets.DatasetDict()


def read_folder(
    folder: Path, task: Task, layout: TSVLayout, only: str | None = None
) -> tuple[datasets.DatasetDict, dict[str, Any]]:
    """Read the files of a layout; those of test splits may be absent, and may be without labels.

    Args:
        folder: where they lie.
        task: says what the columns and labels must be.
        layout: the task's.
        only: the split whose file is read; None for all.

    Returns:
        The splits, and what the run record has to say of broken lines that were left out: nothing, or
        `{"left_out": {split: lines}}`.
    """
    tables = {}
    wanted = [split for split in layout.files if only in (None, split)]
    for split in wanted:
        candidates = layout.candidates(split)
        there = [file for file in candidates if (folder / file.name).exists()]
        if split in task.test_splits and not there:
            continue
        file = (there or candidates)[0]
        short_rows = layout.short_rows.get(split, 0)
        labelled = split not in task.test_splits
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
    return _dataset_dict(tables, task), {"left_out": left_out} if left_out else {}


def _sample_folder(task: Task) -> tuple[type, Path]:
    """The class that ships a task's sample, and the folder of its samples."""
    # A subclass in another package that inherits the sample finds it where its owner put it.
    owner = next(cls for cls in type(task).__mro__ if "sample" in vars(cls))
    module = Path(sys.modules[owner.__module__].__file__ or "")
    return owner, module.parent / str(task.sample)


def _layout(task: Task, otherwise: str) -> TSVLayout:
    if task.tsv is not None:
        return task.tsv
    raise DataError(
        f'the task "{task.name}" cannot be read from files',
        expected="a task whose class sets `tsv`, the layout of its files",
        received=f"{type(task).__name__}.tsv = None",
        fix=otherwise,
    )


def _dataset_dict(tables: dict[str, Table], task: Task) -> datasets.DatasetDict:
    import datasets

    features = datasets.Features(
        {column: datasets.Value("string") for column in task.inputs}
        | {"label": datasets.ClassLabel(names=list(task.labels)) if task.labels else datasets.Value("float32")}
    )
    splits = {}
    for split, table in tables.items():
        columns = {**dict(zip(task.inputs, table.texts, strict=True)), "label": table.labels}
        splits[split] = datasets.Dataset.from_dict(columns, features=features)
    return datasets.DatasetDict(splits)
