"""The predictions of rows, and the names of their columns."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.metrics.label_sets import label_sets
from glueft.text import shortest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """Predictions.

    Attributes:
        labels: the label of each row by name, in a multi-label task a list of names; [] in regression.
        probabilities: (rows, labels); in regression the score of each row, (rows, 1).
        truncated: the number of rows that were cut to the longest length that the model reads.
    """

    labels: list[str] | list[list[str]]
    probabilities: NDArray[np.float64]
    truncated: int

    @classmethod
    def of(
        cls, logits: NDArray[np.float32], labels: Sequence[str], truncated: int, rule: DecisionRule = PLAIN
    ) -> Answers:
        """Return the predictions of logits (rows, labels), or (rows, 1) in regression, where `labels` is empty."""
        if not labels:
            return cls([], shortest(logits[:, 0])[:, None], truncated)
        decided = rule.decide(logits)
        if rule.multi_label:
            return cls(label_sets(decided.labels, labels), decided.probabilities, truncated)
        return cls([labels[index] for index in decided.labels], decided.probabilities, truncated)

    def columns(self) -> list[list[Any]]:
        """Return the cells of each result column, in the order of `result_names`."""
        numbers = self.probabilities.T.tolist()
        return [self.labels, *numbers] if self.labels else numbers


def result_names(labels: Sequence[str], taken: Container[str] = (), also: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the columns that a prediction adds: label and probabilities, or in regression the score.

    If one of them, or of those that are added `also`, is `taken` by a column of the input, all begin with `predicted_`.
    """
    own = (*(("label", *(f"probability_{label}" for label in labels)) if labels else ("score",)), *also)
    number = 0
    while True:
        prefix = "" if number == 0 else "predicted_" if number == 1 else f"predicted_{number}_"
        names = tuple(prefix + name for name in own)
        if not any(name in taken for name in names):
            return names
        number += 1
