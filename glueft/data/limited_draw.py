"""Draws of some of a split's rows: stratified, for a limit; or as many of each label, for few-shot training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.tables.strata import strata_of
from glueft.text import counted, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FewShotDraw:
    """As many training rows of each label.

    Attributes:
        per_label: their number.
        seed: of the draw.
    """

    per_label: int
    seed: int

    def positions(self, labels: NDArray[Any], names: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of the drawn rows, (per_label * labels,), ascending.

        The rows of a smaller `per_label` are among those of a larger one.

        Args:
            labels: (rows,), integers; or scores, float.
            names: of the labels, in the order of their numbers.

        Raises:
            DataError: the rows have scores or any number of labels, or a label has too few rows.
        """
        import numpy as np

        if not names or labels.ndim == 2:
            has, kind = ("any number of labels", "a multi-label task") if names else ("scores", "a regression")
            raise DataError(
                f"data.per_label draws by label, and the rows have {has}",
                expected="a task with one label a row",
                received=kind,
                fix='remove it, and take some of the rows with data.limit_train and data.limit_draw = "stratified"',
            )
        counts = np.bincount(labels, minlength=len(names))
        few = [f"{counted(count, 'row')} of {quoted(name)}" for name, count in zip(names, counts.tolist(), strict=True)]
        few = [told for told, count in zip(few, counts, strict=True) if count < self.per_label]
        if few:
            raise DataError(
                f"there are fewer train rows of a label than data.per_label = {self.per_label:,}",
                expected=f"{counted(self.per_label, 'train row')} or more of each label",
                received=", ".join(few),
                fix=f"set data.per_label to {counts.min():,} or less" if counts.min() else "add rows of that label",
            )
        random = np.random.default_rng(self.seed)
        orders = [random.permutation(np.flatnonzero(labels == label)) for label in range(len(names))]
        return np.sort(np.concatenate([order[: self.per_label] for order in orders]))


def stratified_draw(labels: NDArray[Any], limit: int, seed: int) -> NDArray[np.int64]:
    """Draw rows by chance, stratified by label, and return their positions, (limit,), ascending.

    Each label gets its share, rounded by the largest remainders, and one row at least where the limit allows. In
    regression the rows are sorted by score and cut into `limit` parts, and one row of each is drawn.

    Args:
        labels: (rows,), integers; of a multi-label task (rows, labels), stratified by set of labels; or scores, float.
        limit: the rows to draw; all if there are not more.
        seed: of the draw.
    """
    import numpy as np

    if limit >= len(labels):
        return np.arange(len(labels))
    if labels.ndim == 2:
        labels = strata_of(labels, 2)
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
