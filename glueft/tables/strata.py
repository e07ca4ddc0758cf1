"""Groups of a multi-label task's rows by their set of labels, for draws that keep the share of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def strata_of(labels: NDArray[Any], least: int) -> NDArray[np.int64]:
    """Return the stratum of each row, (rows,), from 0: rows with the same set of labels are in one.

    A set that fewer rows have is joined with others of the same rarest label. What is still too small is a stratum
    together, or if that is too small as well, part of the largest.

    Args:
        labels: 0 and 1 for each label, (rows, labels).
        least: the fewest rows of a stratum.
    """
    import numpy as np

    sets, strata = np.unique(labels, axis=0, return_inverse=True)
    strata = strata.reshape(-1)
    last = len(sets) + labels.shape[1]

    def small() -> NDArray[np.bool_]:
        few: NDArray[np.bool_] = np.bincount(strata)[strata] < least
        return few

    # The rarest label of each set; the empty set has none.
    frequency = np.where(sets > 0, (labels > 0).sum(axis=0), len(labels) + 1)
    rarest = np.where(sets.any(axis=1), len(sets) + frequency.argmin(axis=1), last)
    strata = np.where(small(), rarest[strata], strata)
    left = small()
    strata[left] = last
    if 0 < left.sum() < least and not left.all():
        strata[left] = np.bincount(strata[~left]).argmax()
    numbered: NDArray[np.int64] = np.unique(strata, return_inverse=True)[1].reshape(-1)
    return numbered
