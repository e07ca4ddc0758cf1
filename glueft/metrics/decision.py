"""How labels are decided from logits: a temperature for the probabilities, and a threshold for one of two labels.

In a multi-label task, where a row has any number of the labels, each label is decided by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.text import counted, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# The probability from which on a row has a label in the plain decision, of two labels or of a multi-label task.
PLAIN_THRESHOLD = 0.5


@dataclass(frozen=True)
class Decided:
    """What was decided of rows.

    Attributes:
        labels: the index of the predicted label, (rows,); of a multi-label task 0 and 1 for each label, (rows, labels).
        probabilities: of each label, (rows, labels).
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The rows that a decision rule was fitted to: on them its scores look better than they are.

    Attributes:
        tuned: what was fitted: "threshold", "temperature", or both.
        metric: that the threshold was tuned for, in a multi-label task for each label by itself; None where it was not.
        split: the name of the rows.
        rows: how many.
        sha256: their fingerprint.
    """

    tuned: tuple[str, ...]
    metric: str | None
    split: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class DecisionRule:
    """How the labels of rows are decided from their logits. The default is the plain decision.

    Attributes:
        temperature: what logits are divided by before the softmax, or the sigmoid of a multi-label task. It moves no
            label to another place in their order.
        threshold: the probability from which on a row of a two-label task gets the label `positive`; None for the most
            probable label, which is that of the largest logit.
        positive: the index of that label.
        fit: the rows that it was fitted to; None for numbers that somebody has chosen.
        multi_label: whether a row has any number of the labels.
        thresholds: for each label of a multi-label task the probability from which on a row gets it; None for 0.5 each.
    """

    temperature: float = 1.0
    threshold: float | None = None
    positive: int = 1
    fit: Fit | None = None
    multi_label: bool = False
    thresholds: tuple[float, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it gives what the logits say themselves."""
        return self.temperature == 1 and self.threshold is None and self.thresholds is None

    @property
    def plain(self) -> DecisionRule:
        """The plain decision of the same task."""
        return DecisionRule(multi_label=self.multi_label)

    def threshold_of(self, label: int) -> float:
        """Return the threshold of a label of a multi-label task, by its index."""
        return PLAIN_THRESHOLD if self.thresholds is None else self.thresholds[label]

    def text(self, labels: Sequence[str]) -> str:
        """Return `"alarm" from a probability of 0.31 on (tuned for f1); tuned on the 168 held_out rows`.

        `labels` are in index order; without any, a multi-label rule does not tell the threshold of each.
        """
        fit, parts = self.fit, []
        if self.multi_label:
            if self.thresholds is not None or (fit and fit.metric):
                parts.append(self._thresholds_text(labels))
        elif self.threshold is not None:
            how = f" (tuned for {fit.metric})" if fit and fit.metric else ""
            parts.append(f"{quoted(labels[self.positive])} from a probability of {self.threshold:.4g} on{how}")
        elif fit and fit.metric:
            parts.append(f"the most probable label, which is best by {fit.metric}")
        tuned = fit is not None and "temperature" in fit.tuned
        if self.temperature != 1 or tuned:
            parts.append(f"logits divided by a temperature of {self.temperature:.4g}{' (tuned)' if tuned else ''}")
        if fit is not None:
            parts.append(f"tuned on the {counted(fit.rows, f'{fit.split} row')}")
        return "; ".join(parts)

    def _thresholds_text(self, labels: Sequence[str]) -> str:
        """`"toxic" from a probability of 0.31 on, "spam" from 0.42 on`, or the one that all labels share."""
        how = f" (tuned for each label's {self.fit.metric})" if self.fit and self.fit.metric else ""
        if not labels:
            return f"each label from its own threshold on{how}"
        thresholds = [self.threshold_of(index) for index in range(len(labels))]
        if len(set(thresholds)) == 1:
            return f"each label from a probability of {thresholds[0]:.4g} on{how}"
        first, *others = (f"{quoted(label)} from" for label in labels[:LABELS_SHOWN])
        told = [f"{first} a probability of {thresholds[0]:.4g} on"]
        told += [f"{label} {value:.4g}" for label, value in zip(others, thresholds[1:], strict=False)]
        more = len(labels) - LABELS_SHOWN
        return ", ".join(told) + (f" and {counted(more, 'more label')}" if more > 0 else "") + how

    def decide(self, logits: NDArray[np.float32]) -> Decided:
        """Return what is decided of rows; logits (rows, labels)."""
        import numpy as np

        if self.multi_label:
            probabilities = sigmoid(logits, self.temperature)
            thresholds = PLAIN_THRESHOLD if self.thresholds is None else np.asarray(self.thresholds)
            return Decided((probabilities >= thresholds).astype(np.int64), probabilities)
        probabilities = softmax(logits, self.temperature)
        if self.threshold is None:
            return Decided(logits.argmax(axis=1), probabilities)
        positive = probabilities[:, self.positive] >= self.threshold
        return Decided(np.where(positive, self.positive, 1 - self.positive), probabilities)

    def predictions(self, logits: NDArray[np.float32], labels: Sequence[str]) -> Decided | NDArray[Any]:
        """Return what `compute_metrics` takes: what is decided, or in regression the scores.

        Args:
            logits: (rows, labels), or (rows, 1) in regression.
            labels: the task's; () in regression.
        """
        return self.decide(logits) if labels else logits[:, 0]


PLAIN = DecisionRule()
# The threshold of the plain decision between two labels, and of each label of a multi-label task.
PLAIN_THRESHOLD = 0.5
# Of a multi-label task's thresholds, in a sentence.
LABELS_SHOWN = 10


def sigmoid(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probability of each label by itself, (rows, labels); arguments as for `softmax`."""
    import numpy as np

    with np.errstate(over="ignore"):
        scaled = logits.astype(np.float64) / temperature
    powers = np.exp(-np.abs(scaled))  # Never too large a number.
    shares: NDArray[np.float64] = np.where(scaled >= 0, 1.0, powers) / (1 + powers)
    return shares


def effect_of_fit(tuned: Sequence[str]) -> str:
    """Return what a fit of `tuned` does to what is seen of its rows. A temperature alone changes no label."""
    if "threshold" in tuned:
        return "so that its scores look better than they are"
    return "so that its probabilities fit these rows better than others"


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probability of each label, (rows, labels); the largest is that of the largest logit.

    Args:
        logits: (rows, labels).
        temperature: what they are divided by; above 1 the probabilities are less extreme.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        powers = np.exp((logits.astype(np.float64) - logits.max(axis=1, keepdims=True)) / temperature)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)
    # Logits that are closer than float64 can tell apart after the exponential have the same share.
    tied = np.flatnonzero(shares.argmax(axis=1) != predicted)
    shares[tied, predicted[tied]] = np.nextafter(shares[tied].max(axis=1), 2)
    return shares


def unscaled(
    probabilities: NDArray[np.float64], temperature: float, *, multi_label: bool = False
) -> NDArray[np.float64]:
    """Return the probabilities at temperature 1 of those at another one, up to rounding, (rows, labels)."""
    import numpy as np

    if multi_label:
        with np.errstate(divide="ignore"):
            return sigmoid((np.log(probabilities) - np.log1p(-probabilities)) * temperature)
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) * temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    plain: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return plain
