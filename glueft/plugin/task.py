"""The base class of tasks, and the data that a task declares: where its rows are, published scores, a submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from glueft.errors import PluginError
from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class HubDataset:
    """Where a task's rows live on the hub.

    Attributes:
        path: the data set's name, `nyu-mll/glue`.
        config: its configuration, `mrpc`; None for a data set that has one only.
        columns: the hub's column for each of the task's, where the names differ.
        splits: the hub's split for each of the task's, where the names differ.
    """

    path: str
    config: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TSVFile:
    """One file of a layout, where it is written in another way than the layout says of all.

    Attributes:
        name: the file's name, `test.tsv`.
        columns: as in the layout; None for the layout's own.
        header: as in the layout; None for the layout's own.
    """

    name: str
    columns: Mapping[str, str | int] | None = None
    header: bool | None = None


@dataclass(frozen=True)
class TSVLayout:
    """How the benchmark's own files hold a task: tab-separated, no quoting, one row a line.

    Attributes:
        folder: the task's folder below the data folder, `MRPC`.
        columns: the file's column for each of the task's columns (its inputs and `label`): its name in the header
            line, or its position from 0 in files without one.
        header: whether the first line names the columns.
        files: the file of each split: its name, a `TSVFile` where it differs from the others, or several of either, of
            which the first that exists is read.
        label_text: how the file writes each label, in label order; None for "0", "1", ... Unused in regression.
        short_rows: for a split whose official file is known to hold broken lines, the most of them that may be left
            out; any more are an error, as a single one is elsewhere.
    """

    folder: str
    columns: Mapping[str, str | int]
    header: bool = True
    files: Mapping[str, str | TSVFile | tuple[str | TSVFile, ...]] = field(
        default_factory=lambda: {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}
    )
    label_text: tuple[str, ...] | None = None
    short_rows: Mapping[str, int] = field(default_factory=dict)

    def candidates(self, split: str) -> tuple[TSVFile, ...]:
        """The files that may hold a split, in the order in which they are looked for, nothing in them left open."""
        files = self.files[split]
        return tuple(self.complete(file) for file in (files if isinstance(files, tuple) else (files,)))

    def complete(self, file: str | TSVFile) -> TSVFile:
        """A file of this layout with its own columns and header, or the layout's."""
        file = TSVFile(file) if isinstance(file, str) else file
        return TSVFile(
            file.name,
            self.columns if file.columns is None else file.columns,
            self.header if file.header is None else file.header,
        )


@dataclass(frozen=True)
class TableLayout:
    """How a table of somebody's rows may hold a task's texts, for `glueft predict`.

    Attributes:
        columns: for each of the task's inputs, what its column may be called; the first that a table has is read.
        delimiter: one character between the fields of CSV and TSV; None for a comma or a tab.
        quotes: whether fields of CSV and TSV may stand in double quotes; None for yes, but not in TSV files with the
            header line of the benchmark's own.
    """

    columns: Mapping[str, tuple[str, ...]]
    delimiter: str | None = None
    quotes: bool | None = None


@dataclass(frozen=True)
class PublishedScore:
    """A score that others have published, to set a result beside.

    Attributes:
        model: what was fine-tuned.
        metrics: the task's metrics by name, as fractions (0.8407, not 84.07).
        source: where the numbers stand, so that a reader finds them.
        split: which split they are of; None for the one a run is judged by.
    """

    model: str
    metrics: Mapping[str, float]
    source: str
    split: str | None = None


@dataclass(frozen=True)
class Submission:
    """What a benchmark wants uploaded for a task: TSV files with the columns `index` and `prediction`.

    Attributes:
        benchmark: whose upload this is, "GLUE". The files of all its tasks go into one zip file.
        files: the file's name for each test split, `{"test": "MRPC.tsv"}`. `Task.sizes` says how many rows they have.
        majority: what stands in every row of a file that no run gives: the commonest label by name, or a score.
        label_text: what is written for each label, by the label's name; None for the names. Unused in regression.
        score_range: the least and the greatest score that may be uploaded; what lies beyond becomes that. None for any.
        predicted_by: a task with the same labels whose runs predict these splits as well: "mnli" for the diagnostic
            set. A run of the task itself comes first.
    """

    benchmark: str
    files: Mapping[str, str]
    majority: str | float
    label_text: Mapping[str, str] | None = None
    score_range: tuple[float, float] | None = None
    predicted_by: str | None = None


class Source(Protocol):
    """Where the rows of a task come from: the hub, a folder, the task's sample, or the files that its options name.

    Attributes:
        kind: "hub", "folder", "sample" or "files". A source of kind "folder" has the `folder` as well.
        only: the one split that `read` returns, if the source has it; None for all.
        provenance: after `read`, where the rows came from, for `data` in run.json.
        warnings: what `warn` was told so far, each text once.
    """

    kind: str
    only: str | None
    provenance: dict[str, Any]
    warnings: list[str]

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read the splits that the source has, as `hub`, `tsv` and `sample` of the task say.

        Returns:
            The splits under the task's names, each with the columns of `inputs` and `label`. A test split may be
            absent.

        Raises:
            DataError: a file or row is missing or malformed.
            HubError: the hub is out of reach and its cache does not hold the rows.
        """

    def holds(self, task: Task, split: str) -> bool:
        """Whether the source has rows for a split, as far as can be told without reading them."""

    def warn(self, text: str) -> None:
        """Warn of something in the rows that is no error: a label without rows, labels that look alike.

        `glueft run` and `plan` show it before the training; run.json (`warnings`), the report and a model card keep it.

        Args:
            text: one or two sentences on one line, without a full stop at the end. Rows are named by number, not by
                their texts, as a model card may be public.
        """


class Task(Plugin):
    """A data set, its labels by name, and the metrics it is judged by.

    Most tasks only set the attributes below; an unusual one overrides `load`.

    Attributes:
        inputs: the one or two text columns, in the order in which the encoder reads them.
        labels: the label names, in the order of their indices; empty for regression. Where an option chooses them,
            `__init__` sets them on the task itself; a task that learns them from files of its own does so in `load`.
        metrics: names of metrics in `glueft.metrics`; the first is the one a run is judged by. Likewise.
        positive_label: the label that F1 is of, by name; None for the second one, as GLUE has it. Likewise.
        reads_own_files: whether the task's options name its files, so that [data] has no say in where rows come from.
            `load` says in `source.provenance` what it read.
        hub: where the rows live on the hub, if they do.
        tsv: the layout of the benchmark's own files, if it has any.
        sample: the folder, beside the task's module, with a small sample in the `tsv` layout, if one ships.
        validation_splits: the labelled splits that every run is measured on; the first is the one it is judged by.
        test_splits: the splits that are only predicted, on demand; they may be absent and without labels.
        sizes: the official rows of each split; one with another number of rows is named so in the result.
        published: scores to set a result beside.
        submission: what `glueft submit` writes for a benchmark that keeps the labels of its test splits; None for none.
        score_range: in regression the least and the greatest score that a row may have; None for any.
        empty_text: whether a row may have an empty text, as a few rows of the official data do.
    """

    kind = "task"
    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("accuracy",)
    positive_label: str | None = None
    reads_own_files: ClassVar[bool] = False
    hub: HubDataset | None = None
    tsv: TSVLayout | None = None
    sample: ClassVar[str | None] = None
    validation_splits: ClassVar[tuple[str, ...]] = ("validation",)
    test_splits: ClassVar[tuple[str, ...]] = ("test",)
    sizes: Mapping[str, int] = {}
    published: ClassVar[tuple[PublishedScore, ...]] = ()
    submission: Submission | None = None
    score_range: tuple[float, float] | None = None
    empty_text: ClassVar[bool] = False

    @property
    def positive_index(self) -> int:
        """The index of the label that F1 is of.

        Raises:
            PluginError: `positive_label` is none of `labels`.
        """
        if self.positive_label is None:
            return 1
        if self.positive_label not in self.labels:
            raise PluginError(
                f'the positive label of task "{self.name}" is none of its labels',
                expected="one of " + ", ".join(f'"{label}"' for label in self.labels)
                if self.labels
                else "no such label",
                received=f'"{self.positive_label}"',
                fix="correct the task's `positive_label`",
            )
        return self.labels.index(self.positive_label)

    def load(self, source: Source) -> datasets.DatasetDict:
        """Read the rows, every split of them.

        Args:
            source: the hub, a folder or the shipped sample, as the recipe's [data] says.

        Returns:
            A `datasets.DatasetDict` with `train`, every one of `validation_splits` and those of `test_splits` that
            there are. Each has the columns of `inputs` (text) and `label`: a `ClassLabel` with the names of `labels`,
            or a float in regression; a test row without a label holds -1.

        Raises:
            DataError: a file or row is missing or malformed.
            HubError: the hub is out of reach and its cache does not hold the rows.
        """
        return source.read(self)

    def table_layout(self) -> TableLayout:
        """Return how tables of new rows may hold the texts: under the names of the inputs, or the benchmark's own."""
        files = [file for split in self.tsv.files for file in self.tsv.candidates(split)] if self.tsv else []
        hub = self.hub.columns if self.hub else {}
        columns = {}
        for name in self.inputs:
            other = [hub.get(name), *(file.columns.get(name) for file in files if file.columns)]
            columns[name] = tuple(dict.fromkeys([name, *(column for column in other if isinstance(column, str))]))
        return TableLayout(columns)
