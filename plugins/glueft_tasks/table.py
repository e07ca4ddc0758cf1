"""Your own data: files with columns that a recipe names, and no code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import pydantic

import glueft

if TYPE_CHECKING:
    import datasets


def _one_character(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError('must be one character between the fields, such as ";" or "\\t"')
    return delimiter


def _names(labels: tuple[str, ...]) -> tuple[str, ...]:
    good = all(name.strip() and not any(ord(character) < 32 for character in name) for name in labels)
    if len(labels) < 2 or len(set(labels)) < len(labels) or not good:
        raise ValueError("must be two names or more, each once, none of them empty or with a line break or tab")
    return labels


def _named(label_names: dict[str, str]) -> dict[str, str]:
    _names(tuple(dict.fromkeys(label_names.values())))
    return label_names


def _visible(separator: str) -> str:
    if not separator.strip() or any(character in separator for character in '"[]\r\n'):
        raise ValueError('must be what stands between two names, such as ";" or "|", no quote, bracket or white space')
    return separator


Separator = Annotated[str, pydantic.AfterValidator(_visible)]
Delimiter = Annotated[str, pydantic.AfterValidator(_one_character)]
Labels = Annotated[tuple[str, ...], pydantic.AfterValidator(_names)]
LabelNames = Annotated[dict[str, str], pydantic.AfterValidator(_named)]


class Table(glueft.Task):
    """Your own rows: CSV, TSV, JSON Lines or Parquet files, with the columns that you name.

    Each row has one text or two, and a label: the name of a class, or with `regression = true` a number, or with
    `multi_label = true` any number of names. Texts and names are read as they are: "NA", "null" and "1" are names like
    any other. A wrong row is an error that names its line.

    The labels are those of the training rows, sorted (numbers by value), unless `labels` gives their order. The
    metrics are accuracy and, for two labels, F1 of the second one, or of `positive_label`; with any number of labels a
    row micro and macro F1, and the share of rows with exactly the right ones; in regression Pearson's and Spearman's
    correlation, with the errors MAE and RMSE beside them. `metrics` chooses others.
    """

    name = "table"
    inputs: tuple[str, ...] = ("text", "text_pair")
    metrics: tuple[str, ...] = ()
    reads_own_files = True

    class Options(glueft.Options):
        """The files, their columns, and what the labels are."""

        train: glueft.TablePath = glueft.Field(
            description="The training rows: .csv, .tsv, .jsonl, .ndjson (also .gz, .bz2, .xz) or .parquet, relative to "
            "the recipe's folder.",
            examples=["train.csv"],
        )
        validation: glueft.TablePath | None = glueft.Field(None, description="The file with the validation rows.")
        test: glueft.TablePath | None = glueft.Field(
            None, description="A file with rows to predict; labels may be missing."
        )
        text: str = glueft.Field(description="The column with the text.", examples=["text"])
        text_pair: str | None = glueft.Field(None, description="The column with the second text of a pair.")
        label: str | None = glueft.Field(None, description="The column with the label.", examples=["label"])
        labels: Labels | None = glueft.Field(
            None, description="The names of the labels in order; by default those found in the training rows, sorted."
        )
        label_names: LabelNames | None = glueft.Field(
            None,
            description='The names of labels that the files write as codes, in order: { "0" = "poor", "1" = '
            '"fine" }. Parquet files with a ClassLabel of Hugging Face have the names in them.',
        )
        fold_labels: bool = glueft.Field(
            False,
            description="Whether labels are the same that differ only in case, white space around them, Unicode form "
            'or number form: "good", "Good" and "good ", or 1 and 1.0.',
        )
        regression: bool = glueft.Field(False, description="Whether labels are numbers to predict, not classes.")
        multi_label: bool = glueft.Field(
            False,
            description="Whether a row has any number of labels: the column then holds lists of them, in CSV and TSV "
            'as JSON (["a", "b"]) or as names with label_separator between them; an empty one is a row with none.',
        )
        label_separator: Separator | None = glueft.Field(
            None, description="What stands between the labels of a text that is no JSON list; by default a semicolon."
        )
        label_columns: Labels | None = glueft.Field(
            None,
            description="Instead of label, for any number of labels a row: the names of the labels, each with a column "
            "of that name that holds 0 or 1 (or false or true).",
            examples=[["toxic", "spam"]],
        )
        validation_fraction: float | None = glueft.Field(
            None,
            gt=0,
            lt=1,
            description="Without a validation file: the part of the training rows to take, the same of each label.",
            examples=[0.1],
        )
        split_seed: int = glueft.Field(
            42, ge=0, le=2**32 - 1, description="The seed of that choice; training.seed does not change it."
        )
        positive_label: str | None = glueft.Field(
            None,
            description="With two labels, the one that metrics such as f1 are about; by default the second.",
            examples=["alarm"],
        )
        delimiter: Delimiter | None = glueft.Field(
            None, description="The character between the fields of CSV and TSV; by default a comma, or a tab."
        )
        quotes: bool | None = glueft.Field(
            None,
            description="Whether fields of CSV and TSV may be quoted; false: quotes are part of the text. By default "
            "they may, but a quoted field that seems to hold the rows after it is an error.",
        )

        @pydantic.model_validator(mode="after")
        def _agree(self) -> Table.Options:
            """Refuse keys that contradict each other, all at once."""
            found = [*self._contradictions()]
            if found:
                raise glueft.GlueftError.together(found)
            if not self.has_several:
                self._check_given()
            return self

        @property
        def has_several(self) -> bool:
            """Whether a row has any number of labels."""
            return self.multi_label or self.label_columns is not None

        def _contradictions(self) -> Iterator[glueft.DataError]:
            if self.validation is None and self.validation_fraction is None:
                yield _contradiction(
                    "there are no validation rows",
                    "a validation file, or a part of the training rows",
                    "neither validation nor validation_fraction",
                    'add validation = "dev.csv" below [task], or validation_fraction = 0.1',
                )
            if self.validation is not None and self.validation_fraction is not None:
                yield _contradiction(
                    "validation and validation_fraction contradict each other",
                    "one of them",
                    f'validation = "{self.validation}" and validation_fraction = {self.validation_fraction}',
                    "remove one of them",
                )
            if self.train in (self.validation, self.test):
                yield _contradiction(
                    "two splits have the same file",
                    "a file of its own for each split",
                    f'"{self.train}" twice',
                    "name another file, or take validation_fraction = 0.1 of the training rows",
                )
            yield from self._of_columns()
            of_classes = {
                "labels": self.labels,
                "label_names": self.label_names,
                "fold_labels": self.fold_labels,
                "multi_label": self.multi_label,
                "label_columns": self.label_columns,
            }
            said = [key for key, value in of_classes.items() if value]
            if self.regression and said:
                yield _contradiction(
                    "a regression has no labels",
                    f"{said[0]}, or regression = true",
                    f"regression = true and {said[0]}",
                    f"remove regression = true, or {said[0]}",
                )
            if self.labels and self.label_names:
                yield _contradiction(
                    "labels and label_names contradict each other",
                    "one of them: the names in label_names are the labels, in their order",
                    "both",
                    "remove labels",
                )
            if self.label_separator is not None and not self.has_several:
                yield _contradiction(
                    "label_separator is for rows of several labels",
                    "multi_label = true beside it",
                    f'label_separator = "{self.label_separator}" alone',
                    "add multi_label = true, or remove label_separator",
                )
            if self.has_several:
                yield from self._of_several()

        def _of_columns(self) -> Iterator[glueft.DataError]:
            if self.label is None and self.label_columns is None:
                yield _contradiction(
                    "no column holds the labels",
                    "the name of a column, or with label_columns the names of several",
                    "neither label nor label_columns",
                    'add label = "label" below [task], or label_columns = ["toxic", "spam"] for a column of 0 and 1 '
                    "each",
                )
            if self.label is not None and self.label_columns is not None:
                yield _contradiction(
                    "label and label_columns contradict each other",
                    "one of them: a column with the labels, or a column of 0 and 1 for each",
                    "both",
                    "remove one of them",
                )
            columns = [column for column in (self.text, self.text_pair, self.label) if column is not None]
            if len(set(columns)) < len(columns):
                yield _contradiction(
                    "text, text_pair and label name a column twice",
                    "a different column for each",
                    ", ".join(f'"{column}"' for column in columns),
                    "correct the names",
                )
            twice = [column for column in self.label_columns or () if column in columns]
            if twice:
                yield _contradiction(
                    "a column holds a text and a label",
                    "a different column for each",
                    f'"{twice[0]}" as a text and among label_columns',
                    "correct the names",
                )

        def _of_several(self) -> Iterator[glueft.DataError]:
            """What goes with one label a row alone, and what `label_columns` says already."""
            if self.positive_label is not None:
                yield _contradiction(
                    "positive_label is for tasks of one label a row",
                    "no positive_label where a row has any number of labels",
                    f'positive_label = "{self.positive_label}"',
                    "leave it out",
                )
            idle = {
                "labels": self.labels,
                "label_names": self.label_names,
                "fold_labels": self.fold_labels,
                "label_separator": self.label_separator,
            }
            said = [key for key, value in idle.items() if value]
            if self.label_columns is not None and said:
                yield _contradiction(
                    f"label_columns and {said[0]} contradict each other",
                    "one of them: the names in label_columns are the labels, in their order, and the columns hold 0 "
                    "and 1",
                    "both",
                    f"remove {said[0]}",
                )

        def _check_given(self) -> None:
            names = self.labels or tuple(dict.fromkeys((self.label_names or {}).values()))
            if self.regression or names:
                _check_positive_label(self.positive_label, names)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.text_pair is None:
            self.inputs = ("text",)
        options = self.options
        self.positive_label, self.multi_label = options.positive_label, options.has_several
        names = options.labels or options.label_columns or (options.label_names or {}).values()
        self._take(tuple(dict.fromkeys(names)))
        if options.regression:  # Without labels, others take it for a task whose rows have yet to tell them.
            glueft.check_metrics(self.name, getattr(options, "metrics", None) or (), labels=0)

    def load(self, source: Any) -> datasets.DatasetDict:
        """Read the files, and learn the labels from the training rows unless the options give them."""
        options = self.options
        files = {"train": options.train, "validation": options.validation, "test": options.test}
        columns = {"text": options.text, "text_pair": options.text_pair}
        tables = glueft.read_tables(
            {split: path for split, path in files.items() if path is not None},
            texts={name: columns[name] for name in self.inputs},
            label=options.label,
            labels=options.labels or (),
            label_names=options.label_names,
            fold_labels=options.fold_labels,
            regression=options.regression,
            multi_label=options.multi_label,
            label_separator=options.label_separator or ";",
            label_columns=options.label_columns or (),
            validation_fraction=options.validation_fraction,
            split_seed=options.split_seed,
            delimiter=options.delimiter,
            quotes=options.quotes,
            also=source.also,
        )
        _check_positive_label(options.positive_label, tables.labels)
        for warning in tables.warnings:
            source.warn(warning)
        self._take(tables.labels)
        source.provenance |= {"files": tables.files, "labels": list(tables.labels)}
        if options.validation_fraction is not None:
            source.provenance |= {
                "validation_fraction": options.validation_fraction,
                "split_seed": options.split_seed,
            }
        return tables.splits

    def table_layout(self) -> glueft.TableLayout:
        """Return the columns that the options name, and how their files are written."""
        given = {"text": self.options.text, "text_pair": self.options.text_pair}
        columns = {name: (given[name] or name, name) for name in self.inputs}
        return glueft.TableLayout(columns, self.options.delimiter, self.options.quotes)

    def _take(self, labels: tuple[str, ...]) -> None:
        """Set the labels, and the metrics that are usual for them."""
        self.labels = labels
        if self.options.regression:
            self.metrics = ("pearson", "spearmanr")
        elif self.multi_label:
            self.metrics = ("micro_f1", "macro_f1", "subset_accuracy")
        else:
            self.metrics = ("accuracy", "f1") if len(labels) == 2 else ("accuracy",)


def _check_positive_label(name: str | None, labels: tuple[str, ...]) -> None:
    if name is None or (len(labels) == 2 and name in labels):
        return
    listed = ", ".join(f'"{label}"' for label in labels)
    raise _contradiction(
        "positive_label names no label" if len(labels) == 2 else "positive_label is for tasks of two labels",
        f"one of {listed}" if len(labels) == 2 else "two labels, of which f1 is that of the positive one",
        f'positive_label = "{name}"' + ("" if len(labels) == 2 else f" with {listed or 'a regression'}"),
        "correct positive_label below [task]" if len(labels) == 2 else "leave it out",
    )


def _contradiction(message: str, expected: str, received: str, fix: str) -> glueft.DataError:
    return glueft.DataError(message, expected=expected, received=received, fix=fix)
