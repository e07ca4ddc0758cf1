"""How well parts of a split's rows are predicted: by length, by label, by score, and whether they stand in train."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glueft.page.parts import DataTable, Plot
from glueft.page.plot import MUTED, SERIES, WIDTH, least_span, legend_above, new_figure
from glueft.page.words import percent, short
from glueft.plugin.wilson import Z_95, wilson
from glueft.report.scores import DRAWN_LABELS, Classified, LabelSets, Regressed
from glueft.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.page.texts import SplitTexts

    Scores = Classified | LabelSets | Regressed

# Parts of about as many rows each; fewer rows than these are not worth parts.
PARTS = 5
FEWEST_ROWS = 20
ROW_HEIGHT = 26


@dataclass(frozen=True)
class Slice:
    """Some rows of a split.

    Attributes:
        name: what they have in common.
        rows: how many have a reference.
        value: the share that is right, or the mean absolute error.
        interval: its 95 % interval; None where there is none: of one error.
    """

    name: str
    rows: int
    value: float
    interval: tuple[float, float] | None


def by_length(scores: Scores, texts: SplitTexts) -> list[Slice]:
    """Return slices by the words of all texts of a row, or by their characters where there are no words to count."""
    if not texts.texts:
        return []
    for unit, length in (("words", lambda text: len(text.split())), ("characters", len)):
        lengths = np.array([sum(map(length, row)) for row in zip(*texts.texts, strict=True)])
        found = _by_quantiles(scores, lengths, "{:,.0f}", unit)
        if len(found) > 1:
            return found
    return []


def by_label(scores: Classified) -> list[Slice]:
    """Return a slice for each label that the references have: the share of its rows that is right is its recall."""
    found = [_slice(scores, scores.true == index, label) for index, label in enumerate(scores.labels)]
    return [each for each in found if each.rows]


def by_score(scores: Regressed) -> list[Slice]:
    """Return slices by the true score."""
    return _by_quantiles(scores, scores.true, "{:.2f}", "")


def leak_text(scores: Scores, rows: int, first: Collection[int]) -> str:
    """Say what of a split stands in train too, and how well it is predicted where all such rows are known.

    Args:
        scores: of the split.
        rows: how many stand in train.
        first: the numbers of some of them, or of all.
    """
    if not rows:
        return ""
    whole = int(scores.labelled.sum())
    some = f"{rows:,} of {counted(whole, 'row')}" if whole > 1 else "The only row"
    told = f"{some} {'stands' if rows == 1 else 'stand'} in train too"
    inside = np.isin(np.arange(len(scores.labelled)), [*first])
    parts = [_slice(scores, inside, ""), _slice(scores, ~inside, "")]
    if len(first) < rows or not all(part.rows for part in parts):
        return f"{told}: they do not measure how the model does on new texts."
    what = "the mean absolute error is {}" if isinstance(scores, Regressed) else "{} are right"
    values = [f"{part.value:.3f}" if isinstance(scores, Regressed) else percent(part.value) for part in parts]
    return f"{told}: of them {what.format(values[0])}, of the others {values[1]}."


def slices_plot(name: str, title: str, slices: Sequence[Slice], scores: Scores, of: str) -> Plot:
    """Draw slices as points with their intervals, beside all rows.

    Args:
        name, title: of the plot.
        slices: from the top.
        scores: of the whole split.
        of: what tells the slices apart.
    """
    regression = isinstance(scores, Regressed)
    whole = _slice(scores, scores.labelled, "all rows")
    what = "mean absolute error" if regression else "share that is right"
    what += " in all labels" if isinstance(scores, LabelSets) else ""
    figure, axes = new_figure(WIDTH, 78 + ROW_HEIGHT * len(slices))
    axes.axvline(whole.value, color=MUTED, linewidth=1, linestyle="--", label="all rows")
    for place, each in enumerate(slices):
        if each.interval is not None:
            axes.plot([*each.interval], [place, place], color=SERIES[0], linewidth=1.2)
    values = [each.value for each in slices]
    axes.plot(values, range(len(slices)), "o", color=SERIES[0], label="these rows, 95 % interval")
    axes.set_yticks(range(len(slices)), [short(each.name) for each in slices])
    axes.set_ylim(len(slices) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.locator_params(axis="x", nbins=5)
    least_span(axes, "x")
    axes.set_xlabel(what)
    legend_above(axes)
    shape = f"Dot chart, a row each for {', '.join(short(each.name) for each in slices)}. Horizontal: {what}. "
    shape += "A point is a slice of the rows, the line its 95 % interval, the dashed line all rows."
    order = sorted(slices, key=lambda each: each.value, reverse=not regression)
    written = "{:.3f}".format if regression else percent
    best, worst = (f"{each.name} ({written(each.value)})" for each in (order[0], order[-1]))
    all_rows = written(whole.value)
    alike = order[0].value == order[-1].value
    caption = f"All are alike: {all_rows}." if alike else f"Best: {best}; worst: {worst}; all rows: {all_rows}."
    rows = [
        (each.name, f"{each.rows:,}", written(each.value), " to ".join(map(written, each.interval or ())))
        for each in (*slices, whole)
    ]
    return Plot.of(figure, name, title, shape, caption, DataTable((of, "rows", what, "95 % interval"), rows))


def _slice(scores: Scores, inside: NDArray[np.bool_], name: str) -> Slice:
    inside = inside & scores.labelled
    rows = int(inside.sum())
    if isinstance(scores, Regressed):
        errors = np.abs(scores.error[inside])
        mean = float(errors.mean()) if rows else math.nan
        if rows < 2:
            return Slice(name, rows, mean, None)
        half = Z_95 * float(errors.std(ddof=1)) / math.sqrt(rows)
        return Slice(name, rows, mean, (max(0.0, mean - half), mean + half))
    hits = int((inside & ~scores.wrong).sum())
    return Slice(name, rows, hits / rows if rows else math.nan, wilson(hits, rows))


def _by_quantiles(
    scores: Scores, values: NDArray[np.float64] | NDArray[np.int64], written: str, unit: str
) -> list[Slice]:
    """Slices of about as many rows each, by a value of each row; none of too few rows."""
    known = values[scores.labelled]
    if len(known) < FEWEST_ROWS:
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1), method="higher"))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for place in np.unique(places[scores.labelled]).tolist():
        inside = (places == place) & scores.labelled
        low, high = (written.format(value) for value in (values[inside].min(), values[inside].max()))
        name = f"{low} to {high}" if low != high else low
        found.append(_slice(scores, inside, f"{name} {unit}".strip()))
    return found


def drawn_labels(scores: Classified) -> bool:
    """Whether the labels are few enough for a drawing of them, and more than one."""
    return 1 < len(scores.labels) <= DRAWN_LABELS
