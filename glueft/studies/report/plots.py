"""The plots of a study: runs as points, learning curves over seeds, and score against hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from glueft.page.parts import DataTable, Plot
from glueft.page.plot import MUTED, SERIES, WIDTH, least_span, legend_above, new_figure
from glueft.page.words import label_text, short
from glueft.studies.result import StudyRun
from glueft.studies.words import value_text
from glueft.text import counted, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More points, rows or thin lines would make the page heavy, and tell no more.
MOST_POINTS = 300
MOST_ROWS = 100
MOST_LINES = 12
# Values of a hyperparameter that are names get a place each.
MOST_PLACES = 20
ROW_HEIGHT = 24
# A scale with less between its ends is no better by its logarithm.
LEAST_RATIO = 4


def strip_plot(
    name: str,
    title: str,
    rows: Mapping[str, Sequence[float]],
    caption: str,
    *,
    row_name: str,
    what: str,
    collapsed: Mapping[str, Sequence[float]] | None = None,
    baselines: Mapping[str, float] | None = None,
    strong: str | None = None,
    wide: bool = False,
) -> Plot:
    """Draw scores as points, a row a name, with the mean of each row as a line.

    Args:
        name, title, caption: of the plot.
        rows: by name, from the top; a row may be empty.
        row_name: what tells the rows apart.
        what: of the horizontal axis.
        collapsed: those of the rows' scores that are of collapsed runs, drawn as crosses.
        baselines: of the best constant answer.
        strong: the row that is of the chosen setting.
        wide: as in `Plot`.
    """
    collapsed, baselines = collapsed or {}, baselines or {}
    figure, axes = new_figure(WIDTH * 2 if wide else WIDTH, 62 + ROW_HEIGHT * len(rows))
    for place, (row, scores) in enumerate(rows.items()):
        colour = SERIES[1] if row == strong else SERIES[0]
        lost = list(collapsed.get(row, ()))
        kept = list(scores)
        for score in lost:
            kept.remove(score)
        for points, marker in ((kept, "o"), (lost, "x")):
            drawn = thinned(sorted(points))
            heights = [place + _shift(number, len(drawn)) for number in range(len(drawn))]
            axes.plot(drawn, heights, marker, color=colour, alpha=0.75, markersize=5, markeredgewidth=1)
        if scores:
            mean = fmean(scores)
            axes.plot([mean, mean], [place - 0.34, place + 0.34], color=colour, linewidth=2)
        if row in baselines:
            axes.plot([baselines[row]] * 2, [place - 0.34, place + 0.34], color=MUTED, linestyle=(0, (1, 1.5)))
    axes.set_yticks(range(len(rows)), [short(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(what)
    least_span(axes, "x")
    shape = f"Dot chart, a row a line: {', '.join(short(row) for row in rows)}. Horizontal: {what}. "
    shape += "A point is a run, the upright line the mean of its row."
    table = DataTable(
        (row_name, "runs", "mean", "min", "max", *(("constant answer",) if baselines else ())),
        [
            (
                row,
                f"{len(scores):,}",
                *(score_text(of(scores)) if scores else "" for of in (fmean, min, max)),
                *((score_text(baselines[row]) if row in baselines else "",) if baselines else ()),
            )
            for row, scores in rows.items()
        ],
    )
    return Plot.of(figure, name, title, shape, caption, table, wide=wide)


def curves_plot(name: str, runs: Sequence[StudyRun], what: str) -> Plot | None:
    """Draw the validations of runs that differ in the seed: each as a thin line, their mean, and their span.

    Returns:
        None where no run has a validation.
    """
    runs = [run for run in runs if run.validations]
    if not runs:
        return None
    by_epoch: dict[float, list[float]] = {}
    for run in runs:
        for epoch, _, score in run.validations:
            by_epoch.setdefault(epoch, []).append(score)
    epochs = sorted(by_epoch)
    figure, axes = new_figure()
    for run in runs if len(runs) <= MOST_LINES else ():
        axes.plot(*_xy(run), color=SERIES[0], linewidth=0.8, alpha=0.45)
    low, mean, high = ([of(by_epoch[epoch]) for epoch in epochs] for of in (min, fmean, max))
    if len(runs) > 1:
        axes.fill_between(epochs, low, high, color=SERIES[0], alpha=0.15, linewidth=0)
    axes.plot(epochs, mean, color=SERIES[0], marker="o", label="mean" if len(runs) > 1 else None)
    axes.set_xlim(min(epochs[0] - 0.5, 0.5), epochs[-1] + 0.5)
    if len(epochs) <= 10:
        axes.set_xticks(epochs)
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    least_span(axes, "y")
    title = "Learning curves"
    shape = f"Line chart. Horizontal: epoch, {epochs[0]:g} to {epochs[-1]:g}. Vertical: {what}."
    last = by_epoch[epochs[-1]]
    caption = f"After epoch {epochs[-1]:g} the mean of {counted(len(last), 'run')} is {score_text(fmean(last))}"
    if len(last) > 1:
        caption += f", from {score_text(min(last))} to {score_text(max(last))}. The band reaches from the lowest to the"
        caption += " highest" + (", a thin line is a run." if len(runs) <= MOST_LINES else ".")
    else:
        caption += "."
    rows = [
        (f"{epoch:g}", f"{len(by_epoch[epoch])}", *(score_text(of(by_epoch[epoch])) for of in (fmean, min, max)))
        for epoch in epochs
    ]
    return Plot.of(figure, name, title, shape, caption, DataTable(("epoch", "runs", "mean", "min", "max"), rows))


def setting_plot(
    name: str, key: str, scores: Sequence[tuple[Any, float]], chosen: Any, *, what: str, lower_is_better: bool
) -> Plot:
    """Draw scores against the values of one hyperparameter, a point a run.

    Args:
        name: of the plot.
        key: of the hyperparameter in a recipe.
        scores: the value and the score of each run.
        chosen: the value of the chosen setting; None while it is open.
        what: the score.
        lower_is_better: whether a smaller score is.
    """
    key = label_text(key)
    scores, chosen = [(_plain(value), score) for value, score in scores], _plain(chosen)
    values = list(dict.fromkeys(value for value, _ in scores))
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    values = sorted(values) if numbers else values
    by_value = {value: [score for own, score in scores if own == value] for value in values}
    figure, axes = new_figure()
    shown = values if numbers else values[:MOST_PLACES]
    place = {value: value if numbers else number for number, value in enumerate(shown)}
    drawn = thinned([(place[value], score, value) for value, score in scores if value in place])
    for is_chosen, marker in ((False, "o"), (True, "D")):
        points = [(x, score) for x, score, value in drawn if (value == chosen) is is_chosen]
        if points:
            label = "chosen" if is_chosen else "others"
            colour = SERIES[1] if is_chosen else SERIES[0]
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, marker, color=colour, alpha=0.75, label=label)
    # Many values that were drawn once each have no means.
    if len(scores) > len(values) and len(values) > 1:
        means = [fmean(by_value[value]) for value in shown]
        axes.plot([place[value] for value in shown], means, color=MUTED, linewidth=1, label="mean", zorder=1)
    if numbers and values[0] > 0 and values[-1] / values[0] >= LEAST_RATIO:
        _logarithmic(axes, values[-1] / values[0])
    few = len(shown) <= 6
    if not numbers or few:
        axes.set_xticks([place[value] for value in shown], [short(value_text(value, rounded=True)) for value in shown])
        axes.minorticks_off()
        if sum(len(short(value_text(value, rounded=True))) for value in shown) > 40:
            axes.tick_params(axis="x", rotation=35)
    axes.margins(x=0.12, y=0.12)
    least_span(axes, "y")
    axes.set_xlabel(short(key, 40))
    axes.set_ylabel(what)
    legend_above(axes, 3)
    best = (min if lower_is_better else max)(values, key=lambda value: fmean(by_value[value]))
    if len(scores) > len(values):
        caption = f"The mean is {'lowest' if lower_is_better else 'highest'} at {value_text(best, rounded=True)}: "
        caption += f"{score_text(fmean(by_value[best]))}, {counted(len(by_value[best]), 'run')}."
    else:
        caption = f"The best run has {value_text(best, rounded=True)}: {score_text(by_value[best][0])}."
    title = f"Score against {short(key.rpartition('.')[2], 40)}"
    shape = f"Dot chart. Horizontal: {key}. Vertical: {what}. A point is a run."
    rows = [
        (value_text(value), f"{len(found):,}", *(score_text(of(found)) for of in (fmean, min, max)))
        for value, found in [*by_value.items()][:MOST_ROWS]
    ]
    return Plot.of(figure, name, title, shape, caption, DataTable((key, "runs", "mean", "min", "max"), rows))


def _plain(value: Any) -> Any:
    """A value that can be compared and put on an axis: all else, as lists and infinity are, as text."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if value is None or is_number else value_text(value)


def thinned(points: Sequence[Any]) -> list[Any]:
    """Return at most `MOST_POINTS` of the points, evenly taken, with the first and the last."""
    if len(points) <= MOST_POINTS:
        return list(points)
    return [points[round(number * (len(points) - 1) / (MOST_POINTS - 1))] for number in range(MOST_POINTS)]


def _shift(number: int, count: int) -> float:
    """Put the points of a row at different heights, so that equal ones are seen as several."""
    return 0.0 if count == 1 else 0.5 * ((number * 0.618) % 1 - 0.5)


def _xy(run: StudyRun) -> tuple[list[float], list[float]]:
    return [epoch for epoch, _, _ in run.validations], [score for _, _, score in run.validations]


def _logarithmic(axes: Axes, ratio: float) -> None:
    """Make the horizontal axis logarithmic; its numbers are written as recipes have them."""
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 40 else (1,), numticks=6))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axes.minorticks_off()
