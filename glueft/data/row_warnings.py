"""Warnings about valid rows: labels without rows, odd scales of scores, leaks, texts that come twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from glueft.data.leaks import numbered
from glueft.data.rows import label_counts
from glueft.text import counted, quoted

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.plugin.task import Task

# A new head answers near 0, and each step of Adam or its kin moves a weight by about the learning rate, however large
# the loss: scores some units away are reached in a few hundred steps (STS-B: mean 2.7, standard deviation 1.5), those
# of hundreds in no usual run. Small scores can be reached, but the first answers are many times larger than they are.
FURTHEST = 10.0
SMALLEST_SPREAD = 0.01

# Benchmarks have a few contradictory rows in ten thousand, which need no warning.
CONTRADICTIONS = 0.01

NAMED = 5


def row_warnings(task: Task, splits: Mapping[str, Rows], *, new_head: bool) -> Iterator[str]:
    """Yield warnings about "train" and the splits that the run is evaluated on, a sentence each.

    Without a `new_head`, the scale of scores is no matter: the head of a checkpoint may know any.
    """
    train = splits["train"]
    validation = [rows for name, rows in splits.items() if name not in ("train", *task.test_splits)]
    for rows in (train, *validation):
        if task.multi_label:
            yield from _label_sets(rows)
        else:
            yield from (_labels_without_rows(rows) if task.labels else _one_score(rows))
    if task.labels:
        yield from _contradictions(train)
    elif new_head:
        yield from _scale(train)
    for rows in splits.values():
        if rows.leaks and not train.dropped:
            yield f"{rows.leaks}: they do not measure how the model does on new texts"


def _labels_without_rows(rows: Rows) -> Iterator[str]:
    counts = label_counts(rows.labels, len(rows.label_names))
    there = [name for name, count in zip(rows.label_names, counts, strict=True) if count]
    if len(there) == 1:
        yield f"{_all_have(rows)} the label {quoted(there[0])}: {_nothing(rows)}"
    else:
        yield from _not_there(rows, counts)


def _label_sets(rows: Rows) -> Iterator[str]:
    """Labels of a multi-label task that no row has, or each."""
    counts = label_counts(rows.labels, len(rows.label_names))
    if len(rows) > 1 and (rows.labels == rows.labels[0]).all():
        labels = [name for name, count in zip(rows.label_names, counts, strict=True) if count]
        have = f"the {_named('label', labels)} and no other" if labels else "none of the labels"
        yield f"{_all_have(rows)} {have}: {_nothing(rows)}"
        return
    yield from _not_there(rows, counts)
    everywhere = [name for name, count in zip(rows.label_names, counts, strict=True) if count == len(rows)]
    if everywhere and rows.name == "train":
        them = "it" if len(everywhere) == 1 else "them"
        yield f"{_all_have(rows)} the {_named('label', everywhere)}: a model learns to give {them} to all texts"


def _not_there(rows: Rows, counts: Sequence[int]) -> Iterator[str]:
    absent = [name for name, count in zip(rows.label_names, counts, strict=True) if not count]
    if absent:
        them = "it" if len(absent) == 1 else "them"
        means = f"a model cannot learn {them}" if rows.name == "train" else f"the metrics say nothing of {them}"
        yield f"no {rows.name} row has the {_named('label', absent)}: {means}{_remedy(rows)}"


def _nothing(rows: Rows) -> str:
    """What it means that all rows have the same answer."""
    means = "there is nothing to learn"
    if rows.name != "train":
        means = "the metrics cannot tell a model from that one answer"
    return means + _remedy(rows)


def _all_have(rows: Rows) -> str:
    return f"the only {rows.name} row has" if len(rows) == 1 else f"all {len(rows):,} {rows.name} rows have"


def _remedy(rows: Rows) -> str:
    if rows.limited_from is None or rows.stratified:
        return ""
    limit = "limit_train" if rows.name == "train" else "limit_validation"
    return (
        f"; data.{limit} took the first {len(rows):,} of {counted(rows.limited_from, 'row')}, and "
        'data.limit_draw = "stratified" draws rows of each label'
    )


def _one_score(rows: Rows) -> Iterator[str]:
    if len(rows) > 1 and (rows.labels == rows.labels[0]).all():
        means = "there is nothing to learn" if rows.name == "train" else "correlations are not defined, and count as 0"
        yield f"{_all_have(rows)} the same score, {rows.labels[0]:g}: {means}"


def _scale(train: Rows) -> Iterator[str]:
    import numpy as np

    scores = train.labels.astype(np.float64)
    mean, spread = float(scores.mean()), float(scores.std())
    if max(abs(mean), spread) > FURTHEST:
        far = "which is far from 0, where a new head begins, and may not be reached"
    elif 0 < spread < SMALLEST_SPREAD:
        far = "which is far below what a new head says at first"
    else:
        return
    yield (
        f"the scores of the train rows have the mean {mean:.6g} and the standard deviation {spread:.6g}, {far}: train "
        "on scores of about unit scale, such as (score - mean) / standard deviation, and turn the predictions back"
    )


def _contradictions(train: Rows) -> Iterator[str]:
    """Find rows with equal texts and different labels."""
    first: dict[int, int] = {}
    places: dict[int, list[int]] = {}
    contradictory = set()
    labels = train.labels.tolist()
    for row, texts in enumerate(zip(*train.texts, strict=True)):
        key = hash(texts)
        if key not in first:
            first[key] = row
            continue
        places.setdefault(key, [first[key]]).append(row)
        if labels[row] != labels[first[key]]:
            contradictory.add(key)
    rows = sorted(row for key in contradictory for row in places[key])
    if len(rows) >= max(1, CONTRADICTIONS * len(train)):
        whole, what = counted(len(train), "train row"), "text" if len(train.texts) == 1 else "texts"
        other = "other labels" if train.labels.ndim == 2 else "another label"
        yield (
            f"{len(rows):,} of the {whole} have the {what} of other train rows with {other} "
            f"({numbered(rows)}): no model can be right on all of them"
        )


def _named(what: str, names: Sequence[str]) -> str:
    """`label "a"`, `labels "a" and "b"`, `labels "a", "b", "c", "d", "e" and 72 more`."""
    shown = [quoted(name) for name in names[:NAMED]]
    if len(names) > NAMED:
        shown.append(f"{len(names) - NAMED:,} more")
    listed = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
    return what + ("s " if len(names) > 1 else " ") + listed
