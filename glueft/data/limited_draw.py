"""Which rows of a split a limit keeps, where they shall not be the first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def stratified_draw(labels: NDArray[Any], limit: int, seed: int) -> NDArray[np.int64]:
    """Choose rows by chance, of each label its share of them.

    Of each label that occurs there is a row at least, where the limit allows; else the shares are rounded by the
    largest remainders. In regression the rows are put in the order of their scores, cut into as many parts as there are
    rows to choose, and one of each is taken.

    Args:
        labels: (rows,), integers; or scores, float.
        limit: how many rows to choose; all if there are not more.
        seed: of the choice.

    Returns:
        Their positions, (limit,), ascending.
    """
    import numpy as np

    if limit >= len(labels):
        return np.arange(len(labels))
    random = np.random.default_rng(seed)
    if labels.dtype.kind == "f":
        parts = np.array_split(np.argsort(labels, kind="stable"), limit)
        return np.sort([random.choice(part) for part in parts])
    values, counts = np.unique(labels, return_counts=True)
    takes = _shares(counts, limit)
    chosen = [
        random.choice(np.flatnonzero(labels == value), take, replace=False)
        for value, take in zip(values, takes, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _shares(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """How many rows of each label to take, together `limit`, none more than there are."""
    import numpy as np

    ideal = counts * (limit / counts.sum())
    takes: NDArray[np.int64] = np.floor(ideal).astype(np.int64)
    if limit >= len(counts):
        takes = np.maximum(takes, 1)
    while takes.sum() < limit:
        takes[np.argmax(np.where(takes < counts, ideal - takes, -np.inf))] += 1
    while takes.sum() > limit:  # What the rare labels have got beyond their share comes from the commonest.
        takes[np.argmax(np.where(takes > 1, takes - ideal, -np.inf))] -= 1
    return takes
