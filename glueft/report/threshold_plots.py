"""Precision and recall over all thresholds of a label's probability: of one of two labels, or of each of any number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glueft.page.parts import Choice, Choices, DataTable, Plot
from glueft.page.plot import DASHES, INK, MUTED, SERIES, choice_id, legend_above, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# More points of a curve make the page heavy, and more rows of its table; of each of several labels it has fewer.
MOST_POINTS = 400
MOST_POINTS_EACH = 120
LISTED_THRESHOLDS = 19
HEIGHT = 270


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


@dataclass(frozen=True)
class Decided:
    """A label's curve, and where on it the run decides.

    Attributes:
        label: as it is shown.
        curve: over all thresholds.
        threshold: the run's.
        precision, recall: of the labels as they were decided.
    """

    label: str
    curve: ThresholdCurve
    threshold: float
    precision: float
    recall: float

    @classmethod
    def of(
        cls,
        label: str,
        probabilities: NDArray[np.float64],
        found: NDArray[np.bool_],
        has_label: NDArray[np.bool_],
        threshold: float,
    ) -> Decided | None:
        """Return a label's; None where all rows have it, or none has.

        Args:
            label, threshold: as above.
            probabilities, has_label: as of `threshold_curve`.
            found: whether each row was given the label, (rows,).
        """
        curve = threshold_curve(probabilities, has_label)
        if curve is None:
            return None
        both = int((found & has_label).sum())
        return cls(label, curve, threshold, both / max(int(found.sum()), 1), both / int(has_label.sum()))

    def recall_caption(self) -> str:
        return (
            f"Average precision of {self.label}: {self.curve.average_precision:.3f}, by chance {self.curve.share:.3f}. "
            f"As the run decides, precision is {self.precision:.3f} and recall {self.recall:.3f}."
        )

    def threshold_caption(self) -> str:
        best = int(self.curve.f1.argmax())
        return (
            f"A row gets {self.label} from the threshold on, {self.threshold:.3g} in this run. F1 is highest at "
            f"{self.curve.thresholds[best]:.3f}: {self.curve.f1[best]:.3f}, which looks better than it is, as it is "
            "chosen on these very rows."
        )

    def table(self) -> DataTable:
        """The numbers at even thresholds: those of the rows from it on."""
        rows = []
        for threshold in np.linspace(0.05, 0.95, LISTED_THRESHOLDS):
            # Thresholds fall: the last that is not below.
            place = int((self.curve.thresholds >= threshold).sum()) - 1
            if place >= 0:
                values = (self.curve.precision[place], self.curve.recall[place], self.curve.f1[place])
                rows.append((f"{threshold:.2f}", *(f"{value:.3f}" for value in values)))
        return DataTable(("threshold", "precision", "recall", "F1"), rows)


def label_plots(key: str, of: Decided) -> list[Plot]:
    """Draw precision over recall, and precision, recall and F1 over the threshold, of one label."""
    return [
        _recall_plot(key, [of], f" ({of.label})", of.recall_caption(), of.table()),
        _threshold_plot(key, [of], of.label, of.threshold_caption(), of.table()),
    ]


def choice_of_labels(key: str, of: Sequence[Decided], note: str = "") -> Choices:
    """Draw the same of several labels, one of which is looked at at a time; `note` says which labels these are."""
    plots = (
        _recall_plot(key, of, "", "Each gain in recall is drawn at the precision that it is reached with.", None),
        _threshold_plot(key, of, "the label", "At each threshold: of the rows with at least this probability.", None),
    )
    choices = [Choice(each.label, f"{each.recall_caption()} {each.threshold_caption()}", each.table()) for each in of]
    return Choices(f"{key}-thresholds", "label", "Precision, recall and threshold of", note, choices, plots)


def _recall_plot(key: str, of: Sequence[Decided], named: str, caption: str, table: DataTable | None) -> Plot:
    figure, axes = new_figure(height=HEIGHT)
    for number, each in enumerate(of):
        mark = choice_id(number) if len(of) > 1 else None
        curve, shown = each.curve, _thinned(len(each.curve.recall), len(of))
        recall, precision = curve.recall[shown], curve.precision[shown]
        axes.plot(*steps(recall, precision), color=SERIES[0], gid=mark)
        axes.axhline(curve.share, color=MUTED, linewidth=1, linestyle="--", gid=mark)
        axes.plot([each.recall], [each.precision], "D", color=SERIES[1], linestyle="none", gid=mark)
    axes.plot([], [], color=SERIES[0], label="this model")
    axes.plot([], [], color=MUTED, linewidth=1, linestyle="--", label="by chance")
    axes.plot([], [], "D", color=SERIES[1], linestyle="none", label="as it decides")
    least = min(min(0.9 * each.curve.share, 0.95 * float(each.curve.precision.min()), each.precision) for each in of)
    axes.set(xlim=(-0.02, 1.03), ylim=(max(least - 0.02, -0.02), 1.03))
    axes.set_xlabel(f"recall: share of the rows with the label\nthat are found{named}")
    axes.set_ylabel("precision: share of the found\nthat have it")
    legend_above(axes, 3)
    shape = "Line chart. Horizontal: recall, 0 to 1. Vertical: precision. The dashed line is the precision by chance, "
    shape += "the share of rows with the label; a point is at the decision of the run."
    return Plot.of(figure, f"{key}-recall", "Precision and recall", shape, caption, table)


def _threshold_plot(key: str, of: Sequence[Decided], named: str, caption: str, table: DataTable | None) -> Plot:
    figure, axes = new_figure(height=HEIGHT)
    for number, each in enumerate(of):
        mark = choice_id(number) if len(of) > 1 else None
        _over_thresholds(axes, each.curve, _thinned(len(each.curve.thresholds), len(of)), mark)
        axes.axvline(each.threshold, color=INK, linewidth=1, linestyle=":", gid=mark)
    for number, name in enumerate(("precision", "recall", "F1")):
        axes.plot([], [], color=SERIES[number], linestyle=DASHES[number], label=name)
    axes.plot([], [], color=INK, linewidth=1, linestyle=":", label="this run's")
    axes.set(xlim=(0, 1), ylim=(0, 1.03))
    axes.set_xlabel(f"threshold: least probability of {named}")
    axes.set_ylabel("precision, recall, F1")
    legend_above(axes, 2)
    shape = "Line chart. Horizontal: threshold, 0 to 1. Vertical: precision, recall and F1. The dotted line is at the "
    shape += "threshold of the run."
    return Plot.of(figure, f"{key}-threshold", "Threshold", shape, caption, table)


def _over_thresholds(axes: Axes, curve: ThresholdCurve, shown: NDArray[np.int64], mark: str | None) -> None:
    """From above a probability that occurs up to the next one the same rows get the label."""
    thresholds = curve.thresholds[shown][::-1]
    for number, values in enumerate((curve.precision, curve.recall, curve.f1)):
        line = steps(thresholds, values[shown][::-1])
        axes.plot(*line, color=SERIES[number], linestyle=DASHES[number], gid=mark)


def steps(places: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the line that has each value from the place before up to its own, from 0 on.

    Over the recall, the area below the precision is then the average precision.
    """
    return np.concatenate([[0.0], np.repeat(places, 2)[:-1]]), np.repeat(values, 2)


def _thinned(count: int, labels: int) -> NDArray[np.int64]:
    most = MOST_POINTS if labels == 1 else MOST_POINTS_EACH
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
