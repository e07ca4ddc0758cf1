"""Two labels: precision and recall over all thresholds of the positive label's probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glueft.page.parts import DataTable, Plot
from glueft.page.plot import DASHES, INK, MUTED, SERIES, legend_above, new_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.report.scores import Classified

# More points of a curve make the page heavy, and more rows of its table.
MOST_POINTS = 400
LISTED_THRESHOLDS = 19


@dataclass(frozen=True)
class ThresholdCurve:
    """Precision and recall of a label where rows get it from a threshold on, for each threshold, the highest first.

    Attributes:
        thresholds: each probability that occurs, (thresholds,).
        precision, recall: (thresholds,).
        share: of the rows that have the label.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    share: float

    @property
    def f1(self) -> NDArray[np.float64]:
        """The harmonic mean of both, (thresholds,); 0 where both are."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(both, both, 1)

    @property
    def average_precision(self) -> float:
        """The sum of precision times the gain in recall: scikit-learn's average_precision_score."""
        return float((np.diff(self.recall, prepend=0) * self.precision).sum())


def threshold_curve(probabilities: NDArray[np.float64], has_label: NDArray[np.bool_]) -> ThresholdCurve | None:
    """Return the curve of a label; None where all rows have it, or none has.

    Args:
        probabilities: of the label, (rows,).
        has_label: whether each row's reference is the label, (rows,).
    """
    if not has_label.any() or has_label.all():
        return None
    order = np.argsort(-probabilities, kind="stable")
    ordered, hits = probabilities[order], has_label[order].cumsum()
    # The last row of each probability: rows of the same one get the label together.
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    hits = hits[last]
    return ThresholdCurve(ordered[last], hits / (last + 1), hits / has_label.sum(), float(has_label.mean()))


def recall_plot(key: str, label: str, curve: ThresholdCurve, scores: Classified, positive: int) -> Plot:
    """Draw precision over recall, with the point at which the run decides."""
    figure, axes = new_figure(height=270)
    shown = _thinned(len(curve.recall))
    recall, precision = curve.recall[shown], curve.precision[shown]
    axes.step([0, *recall], [precision[0], *precision], where="post", color=SERIES[0], label="this model")
    axes.axhline(curve.share, color=MUTED, linewidth=1, linestyle="--", label="by chance")
    at = _decided(scores, positive)
    axes.plot([at[1]], [at[0]], "D", color=SERIES[1], linestyle="none", label="as it decides")
    axes.set(xlim=(0, 1.03), ylim=(min(0.9 * curve.share, 0.95 * float(precision.min())), 1.03))
    axes.set_xlabel(f"recall: share of the rows with the label\nthat are found ({label})")
    axes.set_ylabel("precision: share of the found\nthat have it")
    legend_above(axes, 3)
    shape = "Line chart. Horizontal: recall, 0 to 1. Vertical: precision. The dashed line is the precision by chance, "
    shape += "the share of rows with the label; a point is at the decision of the run."
    caption = f"Average precision of {label}: {curve.average_precision:.3f}, by chance {curve.share:.3f}. As the run "
    caption += f"decides, precision is {at[0]:.3f} and recall {at[1]:.3f}."
    return Plot.of(figure, f"{key}-recall", "Precision and recall", shape, caption, _table(curve))


def threshold_plot(key: str, label: str, curve: ThresholdCurve, threshold: float) -> Plot:
    """Draw precision, recall and F1 over the threshold; `threshold` is that of the run."""
    figure, axes = new_figure(height=270)
    shown = _thinned(len(curve.thresholds))
    lines = {"precision": curve.precision, "recall": curve.recall, "F1": curve.f1}
    for number, (name, values) in enumerate(lines.items()):
        colour, dashes = SERIES[number], DASHES[number]
        axes.plot(curve.thresholds[shown], values[shown], color=colour, linestyle=dashes, label=name)
    axes.axvline(threshold, color=INK, linewidth=1, linestyle=":", label="of this run")
    axes.set(xlim=(0, 1), ylim=(0, 1.03))
    axes.set_xlabel(f"threshold: least probability of {label}")
    axes.set_ylabel("precision, recall, F1")
    legend_above(axes, 4)
    best = int(curve.f1.argmax())
    shape = "Line chart. Horizontal: threshold, 0 to 1. Vertical: precision, recall and F1. The dotted line is at the "
    shape += "threshold of the run."
    caption = f"A row is {label} from the threshold on, {threshold:.3g} in this run. F1 is highest at "
    caption += f"{curve.thresholds[best]:.3f}: {curve.f1[best]:.3f}, which looks better than it is, as it is "
    caption += "chosen on these very rows."
    return Plot.of(figure, f"{key}-threshold", "Threshold", shape, caption, _table(curve))


def _decided(scores: Classified, positive: int) -> tuple[float, float]:
    """Precision and recall of the labels as they were decided."""
    known = scores.labelled
    found, true = scores.predicted[known] == positive, scores.true[known] == positive
    both = int((found & true).sum())
    return both / max(int(found.sum()), 1), both / int(true.sum())


def _thinned(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(np.int64))


def _table(curve: ThresholdCurve) -> DataTable:
    """The numbers at even thresholds: those of the rows from it on."""
    rows = []
    for threshold in np.linspace(0.05, 0.95, LISTED_THRESHOLDS):
        # Thresholds fall: the last that is not below.
        place = int((curve.thresholds >= threshold).sum()) - 1
        if place >= 0:
            values = (curve.precision[place], curve.recall[place], curve.f1[place])
            rows.append((f"{threshold:.2f}", *(f"{value:.3f}" for value in values)))
    return DataTable(("threshold", "precision", "recall", "F1"), rows)
