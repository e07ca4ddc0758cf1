"""What a prediction says of each row, and what its columns are called."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.metrics import softmax
from glueft.text import shortest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """What the model says of some rows.

    Attributes:
        labels: the label of each row by name; () in regression.
        probabilities: (rows, labels); in regression the score of each row, (rows, 1). They are written with all their
            digits, as in a run's own predictions/.
        truncated: how many rows lost tokens to the longest length that the model reads.
    """

    labels: list[str]
    probabilities: NDArray[np.float64]
    truncated: int

    @classmethod
    def of(cls, logits: NDArray[np.float32], labels: Sequence[str], truncated: int) -> Answers:
        """Return what logits say.

        Args:
            logits: (rows, labels), or (rows, 1) in regression.
            labels: the label names in index order; empty in regression.
            truncated: see above.
        """
        if not labels:
            return cls([], shortest(logits[:, 0])[:, None], truncated)
        return cls([labels[index] for index in logits.argmax(axis=1)], softmax(logits), truncated)

    def columns(self) -> list[list[Any]]:
        """Return the cells of each result column, in the order of `result_names`."""
        numbers = self.probabilities.T.tolist()
        return [self.labels, *numbers] if self.labels else numbers


def result_names(labels: Sequence[str], taken: Container[str] = ()) -> tuple[str, ...]:
    """Return the names of the columns that a prediction adds: label and probabilities, or in regression the score.

    Where the input has a column of one of these names, all of them begin with `predicted_`: it stays as it is.

    Args:
        labels: the label names in index order; empty in regression.
        taken: the names of the input's columns.
    """
    own = ("label", *(f"probability_{label}" for label in labels)) if labels else ("score",)
    number = 0
    while True:
        prefix = "" if number == 0 else "predicted_" if number == 1 else f"predicted_{number}_"
        names = tuple(prefix + name for name in own)
        if not any(name in taken for name in names):
            return names
        number += 1
