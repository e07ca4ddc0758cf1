"""What is said of a task's splits: which are predicted, their sizes and lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.data.held_out import HELD_OUT
from glueft.errors import DataError
from glueft.text import counted, printable_line, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.plugin.task import Task

# Few enough to stay readable in run.json, enough to see where a split's rows lie.
LENGTH_BINS = 32
# The numbers of leaked rows that run.json has at most.
LEAKS = 100
# So many labels are told with their numbers of rows.
LABELS_TOLD = 6


def evaluated_splits(task: Task | type[Task], data: Any) -> tuple[str, ...]:
    """Return the labelled splits that a run is evaluated on, the primary one first; `data` is that of the recipe."""
    return (HELD_OUT,) if data.holds_out else tuple(task.validation_splits)


def predicted_splits(task: Task, predict: Sequence[str], found: Iterable[str]) -> tuple[str, ...]:
    """Return the splits that `data.predict` names, each once; "validation" and "test" stand for all of that sort.

    Where rows were held out, they are the only ones of the sort "validation".

    Raises:
        DataError: the data (`found`) does not have the split, or none of the sort.
    """
    found = list(found)
    validation = (HELD_OUT,) if HELD_OUT in found else task.validation_splits
    sorts = {"validation": validation, "test": task.test_splits}
    chosen: dict[str, None] = {}
    for name in predict:
        named = sorts.get(name, (name,))
        there = [split for split in named if split in found]
        if not there:
            raise DataError(
                f"data.predict names the {name} split, and the data has none",
                expected=f"rows for {' or '.join(named)}; splits found: {', '.join(found)}",
                received="no such split",
                fix=f"add the split's file, or take {name!r} out of data.predict",
            )
        chosen |= dict.fromkeys(there)
    return tuple(chosen)


def describe_split(task: Task, rows: Rows, encoded: Encoded | None) -> dict[str, Any]:
    """Return what run.json says of a split."""
    split: dict[str, Any] = {"rows": len(rows), "sha256": rows.sha256}
    if rows.limited_from is not None:
        split["limited_from"] = rows.limited_from
    if rows.stratified:
        split["limit_draw"] = "stratified"
    if rows.part_of is not None:
        split["part_of"] = rows.part_of
    if rows.drawn_from is not None:
        split["drawn_from"] = rows.drawn_from
    if rows.dropped:
        split["dropped"] = rows.dropped
    whole = rows.part_of or len(rows)
    if task.sizes.get(rows.name, whole) != whole:
        split["official_rows"] = task.sizes[rows.name]
    if counts := rows_of_labels(rows):
        split["labels"] = counts
    if encoded is not None:
        split |= {"tokens": len(encoded.ids), "truncated_rows": encoded.truncated}
        if encoded.windows is not None:
            split["windows"] = encoded.windows.windows
        split["token_lengths"] = length_histogram(encoded.lengths)
    return split


def rows_of_labels(rows: Rows) -> dict[str, int]:
    """Return how many rows have each label, in index order; {} in regression, and without labels."""
    from glueft.data.rows import label_counts

    if not rows.label_names or not is_labelled(rows.labels):
        return {}
    return dict(zip(rows.label_names, label_counts(rows.labels, len(rows.label_names)), strict=True))


def rows_text(rows: Rows) -> str:
    """Return `153 validation rows: equivalent 78, not_equivalent 75; majority equivalent, 51 %`."""
    text = counted(len(rows), f"{rows.name} row")
    if not rows.label_names and is_labelled(rows.labels) and len(rows):
        scores = rows.labels
        return f"{text}: scores {scores.min():g} to {scores.max():g}, mean {scores.mean(dtype='float64'):.4g}"
    counts = rows_of_labels(rows)
    if not counts or not len(rows):
        return text
    return f"{text}: {labels_text(counts, len(rows), multi_label=rows.labels.ndim == 2)}"


def labels_text(counts: Mapping[str, int], rows: int, *, multi_label: bool) -> str:
    """Return `equivalent 78, not_equivalent 75; majority equivalent, 51 %`; of many labels their ends alone."""
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if len(counts) <= LABELS_TOLD:
        each = ", ".join(f"{printable_line(label)} {count:,}" for label, count in counts.items())
    else:
        fewest = f"{counts[least]:,} to " * (counts[least] != counts[most])
        each = f"{len(counts):,} labels, {fewest}{counted(counts[most], 'row')} each"
    return f"{each}; {most_frequent(multi_label)} {printable_line(most)}, {100 * counts[most] / rows:.0f} %"


def most_frequent(multi_label: bool) -> str:
    """Return what the most frequent label is called: of several labels a row none is that of the others."""
    return "most often" if multi_label else "majority"


def describe_leaks(splits: Mapping[str, Rows]) -> dict[str, Any]:
    """Return what run.json says of the leaks of each split that they were sought in."""
    return {
        name: {"rows": len(rows.leaks), "exact": rows.leaks.exact, "first": list(rows.leaks.rows[:LEAKS])}
        for name, rows in splits.items()
        if rows.leaks is not None
    }


def length_histogram(lengths: NDArray[Any]) -> dict[str, Any]:
    """Return the histogram of row lengths in tokens, (rows,), with at most `LENGTH_BINS` bins.

    `bin_tokens` is the width of a bin, a power of 2, so that histograms can be brought to the wider of two; `rows`
    counts the rows of each bin, the first of which is 1 to `bin_tokens`.
    """
    import numpy as np

    width = 1
    while width * LENGTH_BINS < lengths.max():
        width *= 2
    return {"bin_tokens": width, "rows": np.bincount((lengths - 1) // width).tolist()}


def size_notes(task: Task, splits: Mapping[str, Rows], left_out: Mapping[str, int]) -> list[str]:
    """Return a line for each split that has not all rows of the official one; `left_out` counts its broken lines."""
    notes = []
    label = {"labels": "label", "multi_label": "set of labels", "scores": "score"}[task.predicts]
    by = f"drawn by {label}"
    for name, rows in splits.items():
        used = rows.part_of or (rows.drawn_from or len(rows)) + rows.dropped
        whole = rows.limited_from or used
        official = task.sizes.get(name, whole)
        if name == HELD_OUT:
            if (fold := rows.fold) is not None:
                by = f"fold {fold.number} of {fold.of} by {label}" + (
                    f" and {quoted(fold.group)}" if fold.group else ""
                )
            drawn = f"{len(rows):,} of the {counted(whole, 'train row')}, {by}"
            notes.append(f"{name} is {drawn}; the validation rows are not looked at")
            continue
        if left_out.get(name):
            notes.append(f"{name} is without {counted(left_out[name], 'broken line')} of its file")
        if rows.limited_from is not None:
            which = f"{used:,} of {counted(whole, 'row')}"
            drawn = f"{which}, {by}" if rows.stratified else f"the first {which}"
            notes.append(f"{name} is limited to {drawn}")
        if rows.dropped:
            told = "; ".join(str(split.leaks) for split in splits.values() if split.leaks)
            dropped = f"{counted(rows.dropped, f'{name} row')} dropped (data.leaks)"
            notes.append(f"{dropped}: {told}" if told else dropped)
        if rows.drawn_from is not None:
            each = len(rows) // len(rows.label_names)
            notes.append(f"{name} is {counted(each, 'row')} of each label, drawn from {rows.drawn_from:,}")
        if official != whole:
            notes.append(f"{name} has {counted(whole, 'row')}; officially it has {official:,}")
    return notes


def is_labelled(labels: NDArray[Any]) -> bool:
    """Whether every row has a label; those of test splits are mostly hidden, as -1, or NaN in regression."""
    return bool((labels == labels).all() if labels.dtype.kind == "f" else (labels >= 0).all())
