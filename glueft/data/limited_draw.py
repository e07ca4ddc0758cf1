"""The stratified draw of the rows that a limit keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def stratified_draw(labels: NDArray[Any], limit: int, seed: int) -> NDArray[np.int64]:
    """Draw rows by chance, stratified by label, and return their positions, (limit,), ascending.

    Each label gets its share, rounded by the largest remainders, and one row at least where the limit allows. In
    regression the rows are sorted by score and cut into `limit` parts, and one row of each is drawn.

    Args:
        labels: (rows,), integers; or scores, float.
        limit: the rows to draw; all if there are not more.
        seed: of the draw.
    """
    import numpy as np

    if limit >= len(labels):
        return np.arange(len(labels))
    random = np.random.default_rng(seed)
    if labels.dtype.kind == "f":
        parts = np.array_split(np.argsort(labels, kind="stable"), limit)
        return np.sort([random.choice(part) for part in parts])
    values, counts = np.unique(labels, return_counts=True)
    takes = shares(counts, limit)
    chosen = [
        random.choice(np.flatnonzero(labels == value), take, replace=False)
        for value, take in zip(values, takes, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def shares(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return how many rows of each label to draw: `limit` together, none more than there are."""
    import numpy as np

    ideal = counts * (limit / counts.sum())
    takes: NDArray[np.int64] = np.floor(ideal).astype(np.int64)
    if limit >= len(counts):
        takes = np.maximum(takes, 1)
    while takes.sum() < limit:
        takes[np.argmax(np.where(takes < counts, ideal - takes, -np.inf))] += 1
    while takes.sum() > limit:  # The most frequent labels give what the rare ones got beyond their share.
        takes[np.argmax(np.where(takes > 1, takes - ideal, -np.inf))] -= 1
    return takes
