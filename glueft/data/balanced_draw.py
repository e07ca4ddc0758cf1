"""Which rows an epoch has where all labels are to be equally frequent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def balanced_rows(labels: NDArray[Any], random: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Return as many rows as there are, the same number of each label that has any, up to one, in random order.

    All rows of a label come equally often, up to one: of a frequent label a random part comes once, and those of a rare
    one several times. Each stretch of the epoch has the labels in equal parts, and the copies of a row are spread over
    all of it.

    Args:
        labels: the index of each row's label, (rows,).
        random: decides all that is left open.

    Returns:
        The rows in their order, and the length of a stretch in which hardly a row comes twice.
    """
    present = random.permutation(np.unique(labels))
    share, more = divmod(len(labels), len(present))
    rows, places, most = [], [], 1
    for number, label in enumerate(present):
        own, count = np.flatnonzero(labels == label), share + (number < more)
        rounds = -(-count // len(own))
        rows += [np.concatenate([random.permutation(own) for _ in range(rounds)])[:count]]
        places += [(np.arange(count) + random.random(count)) / count]
        most = max(most, rounds)
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(rows)[order], len(labels) // most
