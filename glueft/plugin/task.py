"""The base class of tasks, and what a task declares: where its rows are, published scores, a submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from glueft.errors import PluginError
from glueft.plugin.base import Plugin
from glueft.plugin.suits import Predicts

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class HubDataset:
    """A task's data set on the hub.

    Attributes:
        path: the data set's name, `nyu-mll/glue`.
        config: its configuration, `mrpc`; None for a data set with only one.
        columns: the data set's column for each of the task's, where the names differ.
        splits: the data set's split for each of the task's, where the names differ.
        language: of its texts, as the hub names it: a code of ISO 639-1, such as `en`; None if it is not known.
    """

    path: str
    config: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None


@dataclass(frozen=True)
class TSVFile:
    """A file of a layout that differs from the others.

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
    """The layout of a benchmark's own files: tab-separated, no quoting, one row per line.

    Attributes:
        folder: the task's folder below the data folder, `MRPC`.
        columns: the file's column for each of the task's columns (its inputs and `label`): its name in the header
            line, or its position from 0 in files without one.
        header: whether the first line names the columns.
        files: the file of each split: its name, a `TSVFile` where it differs from the others, or several of either, of
            which the first that exists is read.
        label_text: how the file writes each label, in label order; None for "0", "1", ... Unused in regression.
        short_rows: by split, how many broken lines of the official file may be left out. More of them are an error; in
            other splits, one is.
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
        """The files that may hold a split, in search order, each with its columns and header."""
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
    """The columns with a task's texts in the tables that `glueft predict` reads.

    Attributes:
        columns: for each of the task's inputs, the possible names of its column; the first that a table has is read.
        delimiter: one character between the fields of CSV and TSV; None for a comma or a tab.
        quotes: whether fields of CSV and TSV may be in double quotes; None for yes, except in TSV files with the
            header line of the benchmark's own.
    """

    columns: Mapping[str, tuple[str, ...]]
    delimiter: str | None = None
    quotes: bool | None = None


@dataclass(frozen=True)
class PublishedScore:
    """A published score, to compare results with.

    Attributes:
        model: what was fine-tuned.
        metrics: the task's metrics by name, as fractions (0.8407, not 84.07).
        source: where the numbers were published.
        split: the split; None for the primary one.
    """

    model: str
    metrics: Mapping[str, float]
    source: str
    split: str | None = None


@dataclass(frozen=True)
class Submission:
    """The files that a benchmark accepts for a task: TSV with the columns `index` and `prediction`.

    Attributes:
        benchmark: "GLUE". The files of all its tasks go into one zip file.
        files: the file's name for each test split, `{"test": "MRPC.tsv"}`. `Task.sizes` has their numbers of rows.
        majority: the prediction in every row where there is no run: the most frequent label by name, or a score.
        label_text: what is written for each label, by the label's name; None for the names. Unused in regression.
        score_range: the least and the greatest score that is accepted; others are clipped. None for any.
        predicted_by: a task with the same labels, and with runs that predict these splits too: "mnli" for the
            diagnostic set. A run of the task itself has precedence.
        average: whether the task is "counted" in the benchmark's average or "not counted"; "optional" for one that is
            counted and that papers often leave out. The average of a study is named by it.
    """

    benchmark: str
    files: Mapping[str, str]
    majority: str | float
    label_text: Mapping[str, str] | None = None
    score_range: tuple[float, float] | None = None
    predicted_by: str | None = None
    average: Literal["counted", "optional", "not counted"] = "counted"


class Source(Protocol):
    """Where the rows of a task come from: the hub, a folder, the task's sample, or the files that its options name.

    Attributes:
        kind: "hub", "folder", "sample" or "files". A source of kind "folder" has the `folder` as well.
        only: the one split that `read` returns, if the source has it; None for all.
        also: columns that "train" must have beside those of the task, under their own names, where its rows have them:
            a recipe keeps rows together by one (`data.fold`).
        provenance: after `read`, where the rows came from, for `data` in run.json.
        warnings: the texts of `warn` so far, each once.
    """

    kind: str
    only: str | None
    also: tuple[str, ...]
    provenance: dict[str, Any]
    warnings: list[str]

    def read(self, task: Task) -> datasets.DatasetDict:
        """Read the splits that the source has; `hub`, `tsv` and `sample` of the task say where.

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


_DEFAULT_LOSSES: dict[Predicts, str] = {
    "labels": "cross_entropy",
    "scores": "mean_squared_error",
    "multi_label": "binary_cross_entropy",
}


class Task(Plugin):
    """A data set, its labels by name, and its metrics.

    Most tasks only set the attributes below; an unusual one overrides `load`. What depends on an option is set on the
    task in `__init__`; a task that learns its labels or metrics from files of its own sets them in `load`.

    Attributes:
        inputs: the one or two text columns, in the order in which the encoder reads them.
        labels: the label names in index order; empty for regression.
        multi_label: whether each row has any number of the labels, none included, and not one of them.
        metrics: names of metrics (`glueft list metric`); the first is the primary one.
        positive_label: the name of the label that F1 and the like are about; None for the second one, as in GLUE.
        reads_own_files: whether the task's options name its files; [data] then does not say where the rows are. `load`
            records in `source.provenance` what it read.
        hub: the data set on the hub, if there is one.
        tsv: the layout of the benchmark's own files, if it has any.
        sample: a folder beside the task's module with a small sample, in the `tsv` layout or for its own `load`.
        validation_splits: the labelled splits that every run is evaluated on; the first is the primary one.
        test_splits: the splits that are only predicted, on request; they may be absent and unlabelled.
        sizes: the official number of rows of each split; a result on another number of rows says so.
        published: published scores to compare results with.
        submission: for a benchmark that keeps the labels of its test splits; None for none.
        score_range: in regression the least and the greatest score that a row may have; None for any.
        empty_text: whether a row may have an empty text, as a few rows of the official data do.
        label_counts: how many training rows have each label, in the order of `labels`; set once the rows are read, ()
            before and in regression.
        train_rows: how many training rows there are; set once they are read.
    """

    kind = "task"
    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    multi_label: bool = False
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
    label_counts: tuple[int, ...] = ()
    train_rows: int = 0

    @property
    def predicts(self) -> Predicts:
        """What a row's prediction is: one of the labels, any number of them, or in regression a score."""
        if self.multi_label:
            return "multi_label"
        return "labels" if self.labels else "scores"

    @property
    def positive_index(self) -> int:
        """The index of the positive label.

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

    def default_loss(self) -> str:
        """Return the name of the loss that a recipe without [loss] trains with; called once the rows are read."""
        return _DEFAULT_LOSSES[self.predicts]

    def load(self, source: Source) -> datasets.DatasetDict:
        """Read the rows of every split.

        Args:
            source: the hub, a folder or the sample, as the recipe's [data] says.

        Returns:
            A `datasets.DatasetDict` with `train`, all of `validation_splits` and those of `test_splits` that exist.
            Each has the columns of `inputs` (text) and `label`: a `ClassLabel` with the names of `labels`, of a
            multi-label task a list of it (`datasets.List(ClassLabel(...))`), or a float in regression. An unlabelled
            test row has -1, of a multi-label task None: an empty list is a row with none of the labels.

        Raises:
            DataError: a file or row is missing or malformed.
            HubError: the hub is out of reach and its cache does not hold the rows.
        """
        return source.read(self)

    def table_layout(self) -> TableLayout:
        """Return the columns of tables of new rows: those named as the inputs, or as in the benchmark's own files."""
        files = [file for split in self.tsv.files for file in self.tsv.candidates(split)] if self.tsv else []
        hub = self.hub.columns if self.hub else {}
        columns = {}
        for name in self.inputs:
            other = [hub.get(name), *(file.columns.get(name) for file in files if file.columns)]
            columns[name] = tuple(dict.fromkeys([name, *(column for column in other if isinstance(column, str))]))
        return TableLayout(columns)
