"""Rows of the training split that are held out of the training, to choose a setting by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.data.limited_draw import shares
from glueft.tables.strata import strata_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD_OUT = "held_out"  # the split's name


@dataclass(frozen=True)
class HeldOutDraw:
    """How many training rows are held out, and which.

    Attributes:
        part: of the training rows, 0 < part < 1; or their number.
        seed: of the draw.
        at_most: no more than so many.
    """

    part: float | int
    seed: int
    at_most: int | None = None

    def count(self, rows: int) -> int:
        """Return how many of the training rows are held out."""
        wanted = self.part if isinstance(self.part, int) else max(1, round(self.part * rows))
        return wanted if self.at_most is None else min(wanted, self.at_most)


def held_out_rows(labels: NDArray[Any], keys: Sequence[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Draw rows by chance, stratified by label, and return their positions, (count,), ascending.

    Rows with equal keys stay together as long as a label's share can be had without parting them. Each label keeps a
    row. In regression the rows are sorted by score and cut into `count` parts, and one row of each is drawn.

    Args:
        labels: (rows,), integers; of a multi-label task (rows, labels), stratified by set of labels; or scores, float.
        keys: one a row, hashable.
        count: less than there are rows; fewer are returned where labels have a single row each.
        seed: of the draw.
    """
    import numpy as np

    if labels.ndim == 2:
        labels = strata_of(labels, 2)
    random = np.random.default_rng(seed)
    often = {key for key, times in Counter(keys).items() if times > 1}
    together: dict[Any, list[int]] = {key: [] for key in often}
    for row, key in enumerate(keys):
        if key in often:
            together[key].append(row)
    taken = np.zeros(len(labels), bool)
    for rows, share in _strata(labels, count):
        order, left = random.permutation(rows).tolist(), share
        for row in order:
            group = together.get(keys[row], [row])
            if len(group) <= left and not taken[row] and (labels[group] == labels[row]).all():
                taken[group] = True
                left -= len(group)
            if not left:
                break
        apart = [row for row in order if not taken[row]][:left] if left else []
        taken[apart] = True
    return np.flatnonzero(taken)


def _strata(labels: NDArray[Any], count: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the rows of each label, or of each range of scores, and how many of them to draw."""
    import numpy as np

    if labels.dtype.kind == "f":
        yield from ((part, 1) for part in np.array_split(np.argsort(labels, kind="stable"), count))
        return
    values, counts = np.unique(labels, return_counts=True)
    for value, share in zip(values, np.minimum(shares(counts, count), counts - 1).tolist(), strict=True):
        if share:
            yield np.flatnonzero(labels == value), share
