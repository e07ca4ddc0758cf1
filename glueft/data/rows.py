"""The rows of a task, checked against what its class declares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glueft.data.folds import FoldDraw, folds_of
from glueft.data.held_out import HELD_OUT, HeldOutDraw, held_out_rows
from glueft.data.leaks import Leaks, find_leaks, none_left, refused
from glueft.data.limited_draw import FewShotDraw, stratified_draw
from glueft.data.selection import ALL_ROWS, OnLeaks, Selection
from glueft.errors import DataError
from glueft.hub.client import without_bars
from glueft.metrics.choice import choose_metrics
from glueft.plugin.attribution import attributed, named
from glueft.plugin.json_values import json_values
from glueft.suggest import nearest
from glueft.tables import limits
from glueft.tables.problems import listed, shown
from glueft.text import counted

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import numpy.typing as npt

    from glueft.data.sources import Source
    from glueft.plugin.task import Task

LINES_SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Attributes:
        labels: (rows,) label indices, int32, -1 where a row has none; of a multi-label task 0 and 1 for each label,
            int32 (rows, labels), -1 throughout where a row has no reference; in regression the scores, float32, NaN
            where a row has none.
    """

    name: str
    texts: tuple[list[str], ...]  # for each of the task's inputs, one text a row
    labels: npt.NDArray[np.int32] | npt.NDArray[np.float32]
    label_names: tuple[str, ...]  # in the order of their indices; empty in regression
    limited_from: int | None = None  # the rows of the whole split, where a limit left some out
    stratified: bool = False  # whether the rows of a limit were drawn by label, not the first ones taken
    part_of: int | None = None  # the train rows, after their limit, that some were held out of
    leaks: Leaks | None = None  # the rows that are training rows too; None where it was not looked for any
    dropped: int = 0  # the train rows that were dropped as they stand in another split
    groups: tuple[Any, ...] | None = None  # of each row, what tells which rows stay together; None for its texts
    fold: FoldDraw | None = None  # which one these are; None where they are not a fold
    drawn_from: int | None = None  # the train rows, after all else, that as many of each label were drawn from

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, positions: npt.NDArray[np.int64]) -> Rows:
        """Return some of the rows; what is known of the split is that of all of them."""
        texts = tuple([column[row] for row in positions.tolist()] for column in self.texts)
        groups = None if self.groups is None else tuple(self.groups[row] for row in positions.tolist())
        return replace(self, texts=texts, labels=self.labels[positions], groups=groups)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the rows in their order, the same wherever they were read from.

        Each row counts as one JSON array in UTF-8 with its texts and then its label by name (a number in regression, in
        a multi-label task the sorted array of its labels, null without a reference), no space after commas,
        letters beyond ASCII as they are, and a line feed at the end: `["A first text.","A second one.","equivalent"]`.
        """
        digest = hashlib.sha256()
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        for row in zip(*self.texts, self._labels_by_name(), strict=True):
            digest.update(encode(row).encode("utf-8") + b"\n")
        return digest.hexdigest()

    @cached_property
    def keys(self) -> list[int]:
        """A hash of each row's texts without case and white space; another one in each process."""
        plain = [[" ".join(text.split()).casefold() for text in column] for column in self.texts]
        return [hash(texts) for texts in zip(*plain, strict=True)]

    def _labels_by_name(self) -> list[str | float | list[str] | None]:
        if self.labels.ndim == 2:
            sets = (names_of(row, self.label_names) for row in self.labels)
            return [None if names is None else sorted(names) for names in sets]
        if self.label_names:
            names: list[str | None] = [*self.label_names, None]  # index -1 is the None at the end
            return [names[index] for index in self.labels.tolist()]
        return [None if score != score else score for score in self.labels.tolist()]


def names_of(row: npt.NDArray[Any], names: Sequence[str]) -> list[str] | None:
    """Return the names of the labels of a row of a multi-label task in index order; None if it has no reference.

    Args:
        row: 0 and 1 for each label, or -1 throughout, (labels,).
        names: the labels in index order.
    """
    import numpy as np

    return None if row[0] < 0 else [names[label] for label in np.flatnonzero(row).tolist()]


def load_rows(task: Task, source: Source, selection: Selection = ALL_ROWS) -> dict[str, Rows]:
    """Load a task's rows and check them.

    Args:
        task: says what the columns and labels must be.
        source: where the rows come from.
        selection: which of them are used.

    Returns:
        "train", the task's validation splits and those of its test splits that there are, in this order; with
        rows to hold out, the split "held_out" instead of the validation splits, which are not looked at.

    Raises:
        DataError: what `task.load` returns is not what the task declares, a row is malformed, or rows of another split
            stand in "train" and must not.
        HubError: the hub is out of reach and its cache does not hold the rows.
    """
    source.also = () if selection.group is None else (selection.group,)
    loaded = _load(task, source)
    validation = task.validation_splits if selection.held_out is None else ()
    needed = ("train", *validation)
    missing = [split for split in needed if split not in loaded]
    if missing:
        fix = f"let the plugin's `load` return {({1: 'it', 2: 'both'}).get(len(needed), 'all of them')}"
        expected = f"the split{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        raise _no_split(f"{named(task)} has no {missing[0]} split", expected, loaded, fix)
    rows = {
        split: _rows(task, split, loaded[split], selection)
        for split in dict.fromkeys((*needed, *task.test_splits))
        if split in loaded
    }
    if selection.held_out is not None:
        train, held = _divide(rows.pop("train"), selection.held_out)
        rows = {"train": train, HELD_OUT: held} | rows
    few_shot, drop = selection.few_shot, selection.leaks == "drop"
    if not drop:  # Leaks count only where a row is trained on.
        rows["train"] = _few_shot(rows["train"], few_shot)
    rows = checked_for_leaks(rows, selection.leaks)
    if drop:
        rows["train"] = _few_shot(rows["train"], few_shot)
    task.train_rows = len(rows["train"])
    if task.labels:
        task.label_counts = label_counts(rows["train"].labels, len(task.labels))
    return rows


def label_counts(labels: npt.NDArray[Any], count: int) -> tuple[int, ...]:
    """Return how many rows have each of `count` labels; those without a reference do not count."""
    import numpy as np

    if labels.ndim == 2:
        return tuple((labels > 0).sum(axis=0).tolist())
    return tuple(np.bincount(labels[labels >= 0], minlength=count).tolist())


def load_split(task: Task, source: Source, split: str, selection: Selection = ALL_ROWS) -> Rows:
    """Load one split of a task and check it, as `load_rows` does. A source of files reads no others, then or later.

    It reads them all where the rows of the split depend on others'.
    """
    if selection.needs_others(split):
        return load_rows(task, source, selection)[split]
    name = "train" if selection.divides(split) else split
    source.only = name
    source.also = () if selection.group is None else (selection.group,)
    loaded = _load(task, source)
    if name not in loaded:
        fix = "check where the rows come from: --data-dir names the folder with the benchmark's own files"
        raise _no_split(f"{named(task)} has no {name} split there", f"rows for {name}", loaded, fix)
    rows = _rows(task, name, loaded[name], selection)
    if selection.held_out is not None and selection.divides(split):
        rows = _divide(rows, selection.held_out)[split == HELD_OUT]
    return _few_shot(rows, selection.few_shot) if split == "train" else rows


def _no_split(message: str, expected: str, loaded: datasets.DatasetDict, fix: str) -> DataError:
    return DataError(message, expected=expected, received=listed(list(loaded)) or "no splits", fix=fix)


def _load(task: Task, source: Source) -> datasets.DatasetDict:
    import datasets

    with attributed(task, "load"), without_bars():
        loaded = task.load(source)
        choose_metrics(task)
        source.provenance = {"source": source.kind} | json_values(source.provenance, "source.provenance")
    if not isinstance(loaded, datasets.DatasetDict) or not all(
        isinstance(rows, datasets.Dataset) for rows in loaded.values()
    ):
        wrong = next(iter(loaded.values()), loaded) if isinstance(loaded, dict) else loaded
        raise DataError(
            f"{named(task)} did not load a DatasetDict of Datasets",
            expected="a datasets.DatasetDict with the splits train and validation, each a datasets.Dataset",
            received=_type(loaded) + (f" of {_type(wrong)}" if wrong is not loaded else ""),
            fix="let the plugin's `load` return datasets.DatasetDict(train=..., validation=...)",
        )
    return loaded


def _rows(task: Task, split: str, dataset: datasets.Dataset, selection: Selection) -> Rows:
    limit, draw_seed = selection.limit(split, task.validation_splits), selection.draw_seed
    where = f"the {split} split of {named(task)}"
    group = selection.group if split == "train" else None
    hidden = split in task.test_splits
    labelled = not hidden or "label" in dataset.column_names
    columns = [*task.inputs, *(["label"] if labelled else [])]
    for column in dict.fromkeys([*columns, *([] if group is None else [group])]):
        _check_column(where, column, dataset.column_names, "data.fold.group" if column == group else "")
    for column in task.inputs:
        _check_text_type(where, column, dataset.features[column])
    if labelled:
        _check_label_type(where, task, dataset.features["label"])
    whole = len(dataset)
    stratified = False
    if draw_seed is not None and limit is not None and limit < whole:
        stratified = True
        all_labels = dataset.select_columns(["label"]).with_format("arrow")[:]["label"].to_pylist()
        chosen = stratified_draw(_labels(where, task, all_labels, hidden=hidden), limit, draw_seed)
        dataset = dataset.select(chosen)
    groups = None if group is None else _groups(where, group, dataset.select_columns([group])[:limit][group])
    table = dataset.select_columns(columns).with_format("arrow")[:limit]
    if not table.num_rows:
        raise DataError(
            f"{where} is empty",
            expected="at least one row",
            received="0 rows",
            fix="check where the rows come from, and the plugin's `load`",
        )
    texts = tuple(_texts(where, column, table[column].to_pylist(), task.empty_text) for column in task.inputs)
    labels = table["label"].to_pylist() if labelled else [None] * table.num_rows
    limited_from = whole if whole > table.num_rows else None
    given = _labels(where, task, labels, hidden=hidden)
    return Rows(split, texts, given, tuple(task.labels), limited_from, stratified, groups=groups)


def _groups(where: str, column: str, values: list[Any]) -> tuple[Any, ...]:
    without = [row for row, value in enumerate(values) if value is None or value == "" or value != value]
    if without:
        raise DataError(
            f'the column "{column}" of {where} has rows without a group',
            expected="a value in every row: those of equal ones stay in one fold (data.fold.group)",
            received=_row_list(without, values),
            fix="fill them in, or name another column",
        )
    return tuple(map(str, values))


def _divide(train: Rows, draw: HeldOutDraw | FoldDraw) -> tuple[Rows, Rows]:
    """Return the rows that are left for the training, and those that are held out, each in the order of the split.

    Raises:
        DataError: there are too few rows.
    """
    import numpy as np

    if isinstance(draw, FoldDraw):
        return _divide_in_folds(train, draw)
    count, whole = draw.count(len(train)), len(train)
    if count >= whole:
        raise DataError(
            f"data.held_out leaves no row of the {counted(whole, 'train row')} for the training",
            expected=f"fewer than {whole:,} rows to hold out",
            received=f"{count:,}",
            fix="hold out fewer rows (data.held_out), or train on more",
        )
    held = held_out_rows(train.labels, train.keys, count, draw.seed)
    if not len(held):
        raise DataError(
            f"no train row can be held out: each of the {counted(whole, 'train row')} is the only one of its label",
            expected="two rows or more of a label",
            received="one of each",
            fix="train on more rows, or remove data.held_out",
        )
    kept = np.setdiff1d(np.arange(whole), held)
    held_rows = replace(train.at(held), name=HELD_OUT, limited_from=None, stratified=True)
    return replace(train.at(kept), part_of=whole), replace(held_rows, part_of=whole)


def _divide_in_folds(train: Rows, draw: FoldDraw) -> tuple[Rows, Rows]:
    """Return the rows of all folds but one, and those of that one."""
    import numpy as np

    keys = train.keys if train.groups is None else train.groups
    groups = len(set(keys))
    if groups < draw.of:
        apart = "different texts" if draw.group is None else "groups"
        what = apart if draw.group is None else f"different values of {shown(draw.group)}"
        raise DataError(
            f"there are fewer {apart} of train rows than data.fold.of = {draw.of:,} folds",
            expected=f"{draw.of:,} or more that may stand apart",
            received=f"{groups:,} {what} in {counted(len(train), 'train row')}",
            fix="make fewer folds, or add rows" + (" of other groups" if draw.group else ""),
        )
    there = folds_of(train.labels, keys, draw.of, draw.seed) == draw.number - 1
    kept, held = np.flatnonzero(~there), np.flatnonzero(there)
    if draw.at_most is not None:
        held = held[stratified_draw(train.labels[held], draw.at_most, draw.seed)]
    held_rows = replace(train.at(held), name=HELD_OUT, limited_from=None, stratified=True, part_of=len(train))
    return replace(train.at(kept), part_of=len(train)), replace(held_rows, fold=draw)


def _few_shot(train: Rows, draw: FewShotDraw | None) -> Rows:
    if draw is None:
        return train
    return replace(train.at(draw.positions(train.labels, train.label_names)), drawn_from=len(train))


def checked_for_leaks(rows: Mapping[str, Rows], action: OnLeaks) -> dict[str, Rows]:
    """Return the splits, "train" and others, the others with their leaks; with "drop" these are no longer in "train".

    Raises:
        DataError: there are leaks, and `action` is "error"; or "drop" would leave no training row.
    """
    import numpy as np

    found, places = find_leaks(
        {name: split.texts for name, split in rows.items()}, {name: split.keys for name, split in rows.items()}
    )
    if places and action == "error":
        raise refused(found)
    checked = dict(rows) | {name: replace(rows[name], leaks=leaks) for name, leaks in found.items()}
    if places and action == "drop":
        left = np.setdiff1d(np.arange(len(rows["train"])), places)
        if not len(left):
            raise none_left(len(places))
        checked["train"] = replace(rows["train"].at(left), dropped=len(places))
    return checked


def _check_column(where: str, column: str, columns: Sequence[str], key: str = "") -> None:
    """Raise an error where a column is missing; `key` is that of the recipe that names it, if one does."""
    if column in columns:
        return
    near = nearest(column, columns)
    if key:
        raise DataError(
            f"{where} has no column {shown(column)}, which {key} names",
            expected=f"one of the columns {listed(columns)}",
            received=shown(column),
            fix=f"did you mean {shown(near)}?" if near else "name one of them, or have the task load that column too",
        )
    raise DataError(
        f"{where} has no column {shown(column)}",
        expected=f"a column {shown(column)}",
        received=listed(columns),
        fix=(f"rename {shown(near)} to {shown(column)}" if near else f"add the column {shown(column)}")
        + " in the plugin's `load`",
    )


def _check_text_type(where: str, column: str, feature: Any) -> None:
    if getattr(feature, "dtype", None) not in ("string", "large_string"):
        raise DataError(
            f'the column "{column}" of {where} is not text',
            expected='datasets.Value("string")',
            received=f"{feature}",
            fix="turn the column into text in the plugin's `load`",
        )


def _check_label_type(where: str, task: Task, feature: Any) -> None:
    import datasets

    if not task.labels:
        if not str(getattr(feature, "dtype", "")).startswith("float"):
            raise DataError(
                f"the labels of {where} are not scores",
                expected='datasets.Value("float32"): the task has no label names, so it is a regression',
                received=f"{feature}",
                fix="cast the column in the plugin's `load`, or give the task its `labels`",
            )
        return
    of_list = isinstance(feature, (datasets.List, datasets.LargeList))
    if task.multi_label and of_list:
        feature = feature.feature
    if not isinstance(feature, datasets.ClassLabel) or task.multi_label != of_list:
        wanted, made = "a datasets.ClassLabel", "datasets.ClassLabel(names=[...])"
        if task.multi_label:
            wanted, made = "a datasets.List of a datasets.ClassLabel", f"datasets.List({made})"
        raise DataError(
            f"the labels of {where} are no lists: multi_label is set"
            if task.multi_label and not of_list
            else f"the labels of {where} are lists, and the task does not set multi_label"
            if of_list and not task.multi_label
            else f"the labels of {where} have no names",
            expected=f"{wanted} with the names {listed(task.labels)}",
            received=f"{feature}",
            fix=f'in the plugin\'s `load`: dataset.cast_column("label", {made})',
        )
    if tuple(feature.names) != tuple(task.labels):
        same = sorted(feature.names) == sorted(task.labels)
        raise DataError(
            f"the labels of {where} are {'in another order' if same else 'other ones'} than the task's",
            expected=listed(task.labels),
            received=listed(feature.names),
            fix="a model trained on the wrong names is silently wrong: make the task's `labels` and its rows agree",
        )


def _texts(where: str, column: str, texts: list[str | None], empty: bool) -> list[str]:
    bad = [row for row, text in enumerate(texts) if text is None or (not empty and (not text or text.isspace()))]
    if bad:
        raise DataError(
            f'the column "{column}" of {where} has rows without text',
            expected="a text that is more than white space in every row",
            received=_row_list(bad, texts),
            fix="restore the texts, or leave such rows out in the plugin's `load` on purpose",
        )
    long = next((row for row, text in enumerate(texts) if text is not None and len(text) > limits.LONGEST_TEXT), None)
    if long is not None:
        raise DataError(
            f'the column "{column}" of {where} has a text without end',
            expected=f"texts of at most {limits.LONGEST_TEXT:,} characters",
            received=f"{len(texts[long] or ''):,} in row {long} (counted from 0)",
            fix="cut such texts in the plugin's `load`: a model reads the first some hundred words",
        )
    return texts  # type: ignore[return-value]  # no None left


def _labels(
    where: str, task: Task, labels: list[Any], *, hidden: bool
) -> npt.NDArray[np.int32] | npt.NDArray[np.float32]:
    import numpy as np

    if task.multi_label:
        return _label_sets(where, task, labels, hidden=hidden)
    if hidden and all(label is None or label == -1 or label != label for label in labels):
        return np.full(len(labels), -1, np.int32) if task.labels else np.full(len(labels), np.nan, np.float32)
    if task.labels:
        allowed = range(-1 if hidden else 0, len(task.labels))
        bad = [row for row, label in enumerate(labels) if label not in allowed]
        expected = f"0 to {len(task.labels) - 1} ({listed(task.labels)})"
    else:
        bad = [row for row, label in enumerate(labels) if label is None or abs(label) == float("inf") or label != label]
        expected = "finite numbers"
        if not bad and task.score_range is not None:
            least, greatest = map(float, np.asarray(task.score_range, np.float32))
            outside = (row for row, label in enumerate(labels) if not least <= label <= greatest)
            bad = [row for row in outside if not hidden or labels[row] != -1]
            expected = f"scores from {least:g} to {greatest:g}"
    if bad:
        unlabelled = all(labels[row] is None or labels[row] == -1 or labels[row] != labels[row] for row in bad)
        raise DataError(
            f"{where} has rows without a label" if unlabelled else f"labels of {where} are out of range",
            expected=expected,
            received=_row_list(bad, labels),
            fix="rows for training and validation need a label each: check the plugin's `load` and the data set"
            if unlabelled or task.labels
            else "correct such scores, or leave their rows out in the plugin's `load` on purpose",
        )
    return np.asarray(labels, np.int32) if task.labels else np.asarray(labels, np.float32)


def _label_sets(where: str, task: Task, labels: list[list[int] | None], *, hidden: bool) -> npt.NDArray[np.int32]:
    """Return 0 and 1 for each label of each row, (rows, labels); -1 throughout for a row without a reference."""
    import numpy as np

    count = len(task.labels)
    bad = [
        row
        for row, indices in enumerate(labels)
        if (indices is None and not hidden)
        or (indices is not None and not all(index is not None and 0 <= index < count for index in indices))
    ]
    if bad:
        unlabelled = all(labels[row] is None for row in bad)
        raise DataError(
            f"{where} has rows without labels" if unlabelled else f"labels of {where} are out of range",
            expected=f"lists of 0 to {count - 1} ({listed(task.labels)}); [] for a row with none of them",
            received=_row_list(bad, labels),
            fix="rows for training and validation need a list each: check the plugin's `load` and the data set",
        )
    found = np.zeros((len(labels), count), np.int32)
    for row, indices in enumerate(labels):
        if indices is None:
            found[row] = -1
        else:
            found[row, indices] = 1
    return found


def _type(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _row_list(rows: list[int], values: Sequence[Any]) -> str:
    shown = ", ".join(f"{values[row]!r} in row {row}" for row in rows[:LINES_SHOWN])
    return shown + (f" and {len(rows) - LINES_SHOWN:,} more" if len(rows) > LINES_SHOWN else "") + " (counted from 0)"
