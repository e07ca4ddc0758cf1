"""Cross-validation: the training rows in folds, one of which is held out."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.tables.strata import strata_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Scores are stratified by so many ranges of as many rows each.
RANGES = 10


@dataclass(frozen=True)
class FoldDraw:
    """Which part of the training rows is held out.

    Attributes:
        number: of the fold, from 1 to `of`.
        of: how many folds there are.
        seed: of their draw: the same seed, the same folds.
        group: the column whose rows stay together where they are equal; None for the texts.
        at_most: no more rows than so many are evaluated on.
    """

    number: int
    of: int
    seed: int
    group: str | None = None
    at_most: int | None = None


def folds_of(labels: NDArray[Any], keys: Sequence[Hashable], count: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, (rows,), from 0: each row in one, stratified by label, rows of equal keys together.

    Groups of several rows come first, the largest before the others, each into the fold that has least of its labels;
    the single rows then even out what that leaves. Each label has as many rows in each fold as that allows: but for
    large groups, to within one row.

    Args:
        labels: (rows,), integers; of a multi-label task (rows, labels), stratified by set of labels; or scores,
            float: they are stratified by ranges.
        keys: one a row.
        count: of the folds, no more than there are different keys.
        seed: of the draw.
    """
    import numpy as np

    strata = _strata(labels, count)
    random = np.random.default_rng(seed)
    totals = np.bincount(strata)
    often = {key for key, times in Counter(keys).items() if times > 1}
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        if key in often:
            groups.setdefault(key, []).append(row)
    in_order = list(groups.values())
    shuffled = [in_order[place] for place in random.permutation(len(in_order)).tolist()]
    folds = np.full(len(labels), -1, np.int64)
    held = np.zeros((count, len(totals)), np.int64)
    weights = 1 / np.maximum(totals, 1).astype(float) ** 2  # A rare label counts as much as a frequent one.
    for group in sorted(shuffled, key=len, reverse=True):
        of_group = np.bincount(strata[group], minlength=len(totals))
        crowded = (held * of_group * weights).sum(axis=1)
        fold = int(np.lexsort((held.sum(axis=1), crowded))[0])
        folds[group] = fold
        held[fold] += of_group
    single = np.flatnonzero(folds < 0)
    sizes = held.sum(axis=1)
    for stratum in range(len(totals)):
        rows = random.permutation(single[strata[single] == stratum])
        # The fold with the fewest rows of the label first; of equal ones the smallest.
        queue = [(int(held[fold, stratum]), int(sizes[fold]), fold) for fold in range(count)]
        heapq.heapify(queue)
        for row in rows.tolist():
            few, size, fold = queue[0]
            folds[row] = fold
            sizes[fold] += 1
            heapq.heapreplace(queue, (few + 1, size + 1, fold))
    return folds


def _strata(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The labels from 0; sets of labels; scores by their range."""
    import numpy as np

    if labels.ndim == 2:
        return strata_of(labels, count)
    if labels.dtype.kind != "f":
        return labels.astype(np.int64)
    ranks = np.argsort(np.argsort(labels, kind="stable"), kind="stable")
    ranges: NDArray[np.int64] = ranks * min(RANGES, len(labels)) // len(labels)
    return ranges
