"""Files that a user names, read into the splits of a task. Tasks reach it as `glueft.read_tables`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables.cells import index_in, label_name, needed_label_name, score, text
from glueft.tables.columns import Columns, read_cells, read_columns
from glueft.tables.label_forms import cleaned, folded, label_warnings, score_warnings, spellings
from glueft.tables.label_sets import check_separator, each, flags_of, listing, named, needed_list
from glueft.tables.labels import check_same_names, found_names, namer, renamer, sorted_names
from glueft.tables.missing import unreadable
from glueft.tables.problems import shown
from glueft.tables.split import split_label_sets, split_rows

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Tables:
    """What was read.

    Attributes:
        splits: `train`, `validation` and, if its file was named, `test`, as `Task.load` returns them.
        labels: the names of the labels, given or found; empty in regression.
        files: for each split with a file of its own, its `path` and `sha256`, for the run record.
        warnings: what to know of the labels before training on them; a task gives each to `source.warn`.
    """

    splits: datasets.DatasetDict
    labels: tuple[str, ...]
    files: dict[str, dict[str, str]]
    warnings: tuple[str, ...] = ()


def read_tables(
    files: Mapping[str, str | Path],
    *,
    texts: Mapping[str, str],
    label: str | None = None,
    labels: Sequence[str] = (),
    label_names: Mapping[str, str] | None = None,
    fold_labels: bool = False,
    regression: bool = False,
    multi_label: bool = False,
    label_separator: str = ";",
    label_columns: Sequence[str] = (),
    validation_fraction: float | None = None,
    split_seed: int = 42,
    delimiter: str | None = None,
    quotes: bool | None = None,
    also: Sequence[str] = (),
) -> Tables:
    """Read CSV, TSV, JSON Lines or Parquet files, as their suffixes say.

    Args:
        files: the file of each split: "train", "validation" and perhaps "test".
        texts: for each of the task's inputs, the column of the files that holds it.
        label: the column that holds the label; a test file may be without it, or have rows without one. None with
            `label_columns`.
        labels: the names of the labels, in the order of their indices; if empty, those of the training rows, sorted:
            by number where all are numbers, else by character. Of a Parquet file whose schema has the names of a
            ClassLabel, as the `datasets` library writes it, those are the labels.
        label_names: the name of each label that the files write otherwise, `{"0": "poor", "1": "fine"}`; its names, in
            that order, are then the labels.
        fold_labels: take labels for one that differ in case, white space around them, Unicode form or number form
            alone. They are called as in `labels`, or as most training rows have it.
        regression: labels are finite numbers.
        multi_label: a row has any number of labels. The column holds lists of them, or texts: a JSON list, or names
            with `label_separator` between them.
        label_separator: see there.
        label_columns: of a multi-label task, in place of `label`: the names of the labels, each with a column of that
            name that holds 0 or 1 (or false or true).
        validation_fraction: take so much of the training rows for validation, 0 < fraction < 1, where "validation" has
            no file; each label gets its share.
        split_seed: of that choice.
        delimiter: of CSV and TSV, one character; None for a comma or a tab.
        quotes: whether a field of CSV or TSV may stand in double quotes; None for yes, but one that seems to have
            swallowed the rows behind it is an error.
        also: further columns of the training file that the split "train" has too, as texts, None for an empty cell.

    Raises:
        DataError: a file or a row is not in order; names the file, and the columns that it has or the lines.
    """
    if (label is None) != bool(label_columns):
        raise ValueError("either a column with the labels, or one for each of them")
    multi_label = multi_label or bool(label_columns)
    also = [name for name in also if name not in (*texts, "label")]
    of_labels = [*label_columns] if label is None else [label]
    read = {
        split: read_columns(
            Path(path),
            [*dict.fromkeys(_needed(split, texts, of_labels, also))],
            optional=of_labels if split == "test" else [],
            delimiter=delimiter,
            quotes=quotes,
        )
        for split, path in files.items()
    }
    columns: dict[str, dict[str, list[Any]]] = {
        split: {name: read_cells(file, column, text) for name, column in texts.items()} for split, file in read.items()
    }
    for name in also:
        columns["train"][name] = [_plain(cell) for cell in read["train"].cells[name]]
    warnings: list[str] = []
    if label is None:
        labels = tuple(label_columns)
        for split, file in read.items():
            columns[split]["label"] = flags_of(split, file, label_columns)
    elif regression:
        for split, file in read.items():
            columns[split]["label"] = _scores(file, label)
        warnings = score_warnings([score for split in read if split != "test" for score in columns[split]["label"]])
    else:
        of_split = partial(_name_lists, separator=label_separator) if multi_label else _names
        by_split: dict[str, _Named] = {
            split: of_split(split, file, label, label_names, labels, fold=fold_labels) for split, file in read.items()
        }
        given = tuple(dict.fromkeys((label_names or {}).values())) or tuple(labels)
        if fold_labels:
            by_split, given = _folded(by_split, given)
        names = _flat(by_split["train"])
        labels = given or _classes(read["train"], label, names, fold=fold_labels)
        if fold_labels and len(labels) == 1:
            raise DataError(
                "fold_labels = true leaves a single label",
                expected="two labels or more that differ in more than case, white space, Unicode or number form",
                received=f"{shown(labels[0])} alone",
                fix="correct the labels in [task], or leave fold_labels out",
            )
        if not labels:
            if multi_label:
                check_separator(read["train"], label, label_separator)
            labels = found_names(read["train"], label, names)
            if "validation" in read:
                check_same_names(
                    read["train"], read["validation"], label, labels, by_split["validation"], all_there=not multi_label
                )
        test = by_split.get("test", ())
        if test and all(row in ("-1", ["-1"]) for row in test) and "-1" not in labels:
            by_split["test"] = [None] * len(test)  # benchmarks write so that labels are hidden
        index = each(index_in(labels)) if multi_label else index_in(labels)
        for split, file in read.items():
            columns[split]["label"] = read_cells(file, label, index, by_split[split])
        counts = Counter(name for every in by_split.values() for name in _flat(every))
        there = {name: counts[name] for name in labels if name in counts}
        warnings = label_warnings(there, given, multi_label=multi_label)
    if validation_fraction is not None:
        whole = columns["train"]
        if multi_label:
            # The same rows are taken whatever the order of the labels.
            places = {name: place for place, name in enumerate(sorted_names(labels))}
            sets = [[places[labels[index]] for index in row] for row in whole["label"]]
            split_up = partial(split_label_sets, sets=sets, labels=len(labels))
        else:
            of_rows = None if regression else [labels[index] for index in whole["label"]]
            split_up = partial(split_rows, names=of_rows)
        taken, held = split_up(read["train"], validation_fraction, split_seed)
        columns["train"] = {name: [cells[row] for row in taken] for name, cells in whole.items()}
        columns["validation"] = {
            name: [cells[row] for row in held] for name, cells in whole.items() if name in (*texts, "label")
        }
    order = [split for split in ("train", "validation", "test") if split in columns]
    return Tables(
        splits=dataset_dict({split: columns[split] for split in order}, texts, labels, multi_label=multi_label),
        labels=tuple(labels),
        files={split: {"path": str(file.path), "sha256": _sha256(file.path)} for split, file in read.items()},
        warnings=tuple(warnings),
    )


def _needed(split: str, texts: Mapping[str, str], labels: Sequence[str], also: Sequence[str]) -> Iterable[str]:
    """The columns that a file must have."""
    yield from texts.values()
    if split != "test":
        yield from labels
    if split == "train":
        yield from also


def _plain(cell: Any) -> str | None:
    return None if cell is None or cell == "" else str(cell)


def _names(
    split: str,
    file: Columns,
    label: str,
    label_names: Mapping[str, str] | None,
    labels: Sequence[str],
    *,
    fold: bool,
) -> list[str | None]:
    """Return the label of each row by name; None for a row of a test file that has none."""
    if label not in file.cells:
        return [None] * len(file.numbers)
    names = read_cells(file, label, namer(file, label, label_names, labels))
    names = read_cells(file, label, label_name if split == "test" else needed_label_name, names)
    if not label_names:
        return names
    if split == "test" and set(names) == {"-1"}:
        return [None] * len(names)
    return read_cells(file, label, renamer(label_names, fold=fold), names)


def _name_lists(
    split: str,
    file: Columns,
    label: str,
    label_names: Mapping[str, str] | None,
    labels: Sequence[str],
    *,
    fold: bool,
    separator: str,
) -> list[list[str] | None]:
    """Return the labels of each row by name; None for a row of a test file that does not tell them."""
    if label not in file.cells or (split == "test" and all(cell is None or cell == "" for cell in file.cells[label])):
        return [None] * len(file.numbers)
    rows = read_cells(file, label, listing(separator))
    if split != "test":
        rows = read_cells(file, label, needed_list, rows)
    rows = read_cells(file, label, each(namer(file, label, label_names, labels)), rows)
    rows = read_cells(file, label, each(named), rows)
    return read_cells(file, label, each(renamer(label_names, fold=fold)), rows) if label_names else rows


# The label of each row, or its labels; None where it tells none.
_Named = Sequence[str | list[str] | None]


def _flat(rows: _Named) -> list[str]:
    """Return the labels of all rows, each once a row."""
    flat: list[str] = []
    for row in rows:
        if isinstance(row, str):
            flat.append(row)
        elif row is not None:
            flat.extend(dict.fromkeys(row))
    return flat


def _folded(by_split: Mapping[str, _Named], given: Sequence[str]) -> tuple[dict[str, _Named], tuple[str, ...]]:
    """Give each label one spelling: that of the training rows, whatever the other splits write."""
    by_train = spellings(_flat(by_split["train"]), given)
    every = [name for rows in by_split.values() for name in _flat(rows)]
    spelled = spellings(every, [*by_train.values()])
    one = {name: spelled[folded(name)] for name in every}
    of_split: dict[str, _Named] = {
        split: [one[row] if isinstance(row, str) else row and [one[name] for name in row] for row in rows]
        for split, rows in by_split.items()
    }
    return of_split, tuple(dict.fromkeys(spelled[folded(name)] for name in given))


def _classes(train: Columns, label: str, names: Sequence[str], *, fold: bool) -> tuple[str, ...]:
    """Return the names that the training file has for its classes, unless its labels were read as codes."""
    classes = train.classes.get(label, ())
    if fold:
        spelled = spellings(names)
        classes = tuple(dict.fromkeys(spelled.get(folded(name), cleaned(name)) for name in classes))
    return classes if {*names} <= {*classes} else ()


def _scores(file: Columns, label: str) -> list[float]:
    """Return the scores of a file; NaN in every row of a test file that has none."""
    cells = file.cells.get(label)
    if cells is None or all(cell is None or cell == "" for cell in cells):
        return [float("nan")] * len(file.numbers)
    return read_cells(file, label, score)


def dataset_dict(
    columns: Mapping[str, Mapping[str, list[Any]]],
    inputs: Iterable[str],
    labels: Sequence[str],
    *,
    multi_label: bool = False,
) -> datasets.DatasetDict:
    """Return splits as a task loads them, from the input columns and `label` of each; regression has no labels."""
    import datasets

    of_label = datasets.ClassLabel(names=list(labels)) if labels else datasets.Value("float32")
    if multi_label:
        of_label = datasets.List(of_label)
    made = {}
    for split, cells in columns.items():
        # Those of a task's inputs and others are texts.
        of_texts = {name: datasets.Value("string") for name in dict.fromkeys([*inputs, *cells]) if name != "label"}
        made[split] = datasets.Dataset.from_dict(
            dict(cells), features=datasets.Features(of_texts | {"label": of_label})
        )
    return datasets.DatasetDict(made)


def _sha256(path: Path) -> str:
    try:
        refuse_irregular(path)
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from None
