"""How well each label is predicted: precision, recall and F1, a label at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelScore:
    """The scores of one label.

    Attributes:
        label: its name.
        support: the rows whose reference has it.
        predicted: the rows whose prediction has it.
        right: the rows that have it in both.
    """

    label: str
    support: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """The share of the rows predicted as the label that have it; 0 where none is."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the rows with the label that are predicted as it; 0 where no row has it."""
        return self.right / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where the label is neither predicted nor in the references."""
        there = self.support + self.predicted
        return 2 * self.right / there if there else 0.0


def label_scores(predictions: NDArray[Any], references: NDArray[Any], labels: Sequence[str]) -> list[LabelScore]:
    """Return the scores of each label, in index order. Rows without a reference (-1) do not count.

    Args:
        predictions: the index of the predicted label, (rows,); of a multi-label task 0 and 1, (rows, labels).
        references: the same of the references.
        labels: the task's, in index order.
    """
    import numpy as np

    known = references >= 0 if references.ndim == 1 else (references >= 0).all(axis=1)
    predictions, references = predictions[known], references[known]
    if references.ndim == 1:
        index = np.arange(len(labels))
        predictions, references = predictions[:, None] == index, references[:, None] == index
    predicted, actual = predictions.astype(bool), references.astype(bool)
    counts = (column.sum(axis=0).tolist() for column in (actual, predicted, actual & predicted))
    return [LabelScore(*row) for row in zip(labels, *counts, strict=True)]
