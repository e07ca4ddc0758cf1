"""The plots of a comparison: learning curves of all runs, and differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glueft.page.curves import SMOOTHED, Curves, smoothed
from glueft.page.parts import DataTable, Plot
from glueft.page.plot import (
    DASHES,
    INK,
    MARKERS,
    MUTED,
    SERIES,
    WIDTH,
    least_span,
    legend_above,
    new_figure,
)
from glueft.page.words import short
from glueft.text import epoch_text, score_text

# More lines cannot be told apart: four colours by four kinds of lines.
MOST_LINES = 16
ROW_HEIGHT = 24
LONGEST_NAME = 24  # letters


@dataclass(frozen=True)
class Line:
    """A curve of one run: epochs done, and the value at each."""

    run: str
    epochs: Sequence[float]
    values: Sequence[float]


def loss_lines(histories: Mapping[str, Curves]) -> list[Line]:
    """Return the smoothed training loss of each run that has one, over epochs: steps are of unlike batches."""
    lines = []
    for run, history in histories.items():
        first = history.epochs[0] if history.epochs else None
        if history.loss and first is not None and first["step"] and first["epoch"]:
            steps, losses = zip(*history.loss, strict=True)
            of_epoch = first["step"] / first["epoch"]
            lines.append(Line(run, [step / of_epoch for step in steps], smoothed(losses)))
    return lines


def evaluation_lines(histories: Mapping[str, Curves], metric: str | None = None) -> list[Line]:
    """Return a validation metric of each run, or without one the validation loss."""
    lines = []
    for run, history in histories.items():
        entries = [entry for entry in history.evaluations if metric is None or metric in entry["metrics"]]
        values = [entry["validation_loss"] if metric is None else entry["metrics"][metric] for entry in entries]
        lines += [Line(run, [entry["epoch"] for entry in entries], values)] if entries else []
    return lines


def curves_plot(
    name: str, title: str, what: str, lines: Sequence[Line], *, lower_is_better: bool, note: str = ""
) -> Plot:
    """Draw a curve of several runs.

    Args:
        name, title: of the plot.
        what: of the vertical axis.
        lines: one a run.
        lower_is_better: whether a smaller value is.
        note: what else to say of it.
    """
    figure, axes = new_figure(height=250)
    marked = name != "loss"
    for number, line in enumerate(lines[:MOST_LINES]):
        colour, dashes, marker = _look(number)
        axes.plot(
            line.epochs,
            line.values,
            color=colour,
            linestyle=dashes,
            marker=marker if marked else None,
            label=line.run,
        )
    if marked and len({epoch for line in lines for epoch in line.epochs}) <= 10:
        ticks = sorted({epoch for line in lines for epoch in line.epochs})
        axes.set_xticks(ticks, [*map(epoch_text, ticks)])
    axes.margins(x=0.04, y=0.12)
    least_span(axes)
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    legend_above(axes, min(6, len(lines)))
    shape = f"Line chart, a line a run: {', '.join(line.run for line in lines[:MOST_LINES])}. Horizontal: epochs. "
    shape += f"Vertical: {what}."
    best = min if lower_is_better else max
    # A metric may be not defined after an epoch, as a correlation of equal scores.
    defined = {line.run: [value for value in line.values if math.isfinite(value)] for line in lines}
    told = [f"{run} {score_text(best(values)) if values else 'never defined'}" for run, values in defined.items()]
    caption = f"{'Lowest' if lower_is_better else 'Highest'}: {', '.join(told)}."
    caption += f" A line has the mean of {SMOOTHED} logged points." if name == "loss" else ""
    caption += f" Drawn are the first {MOST_LINES}." if len(lines) > MOST_LINES else ""
    caption += f" {note}" if note else ""
    by_epoch: dict[float, dict[str, str]] = {}
    for line in lines:
        for epoch, value in zip(line.epochs, line.values, strict=True):
            by_epoch.setdefault(round(epoch, 3), {})[line.run] = score_text(value)
    rows = [
        (epoch_text(epoch) if marked else f"{epoch:.2f}", *(cells.get(line.run, "") for line in lines))
        for epoch, cells in sorted(by_epoch.items())
    ]
    table = DataTable(("epoch", *(line.run for line in lines)), rows)
    return Plot.of(figure, name, title, shape, caption, table)


@dataclass(frozen=True)
class Gap:
    """The difference of a run to the first in one metric: with its interval, and what is concluded from it."""

    name: str
    difference: float
    low: float
    high: float
    verdict: str


# By what is concluded: colour, marker and words.
_VERDICTS = {
    "better": (SERIES[2], "^", "better"),
    "worse": (SERIES[1], "v", "worse"),
    "no_difference": (SERIES[0], "o", "no difference that these rows can show"),
    "same": (MUTED, "o", "the same predictions"),
}


def gaps_plot(gaps: Sequence[Gap], first: str, rows: int) -> Plot:
    """Draw differences to the first run as points with their 95 % intervals.

    Args:
        gaps: from the top.
        first: the name of the first run.
        rows: on how many rows they were measured.
    """
    figure, axes = new_figure(WIDTH, 78 + ROW_HEIGHT * len(gaps))
    axes.axvline(0, color=INK, linewidth=1, linestyle="--")
    told = set()
    for place, gap in enumerate(gaps):
        colour, marker, words = _VERDICTS[gap.verdict]
        axes.plot([gap.low, gap.high], [place, place], color=colour, linewidth=1.4)
        label = words if words not in told else None
        axes.plot([gap.difference], [place], color=colour, marker=marker, linestyle="none", markersize=7, label=label)
        told.add(words)
    axes.set_yticks(range(len(gaps)), [short(gap.name, LONGEST_NAME) for gap in gaps])
    axes.set_ylim(len(gaps) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.08)
    least_span(axes, "x")
    axes.set_xlabel(f"difference to {first}")
    legend_above(axes, 1)
    shape = f"Dot chart, a row a metric of a run: {', '.join(gap.name for gap in gaps)}. Horizontal: difference to "
    shape += f"{first}. A point is the difference, the line its 95 % interval; on the dashed line there is none."
    caption = f"Points are differences on {rows:,} rows, lines their 95 % intervals."
    table = DataTable(
        ("run: metric", "difference", "95 % interval"),
        [(gap.name, score_text(gap.difference, signed=True), interval_text(gap.low, gap.high)) for gap in gaps],
    )
    return Plot.of(figure, "differences", "Differences", shape, caption, table)


def interval_text(low: float, high: float) -> str:
    """Return the interval of a difference."""
    return f"{score_text(low, signed=True)} to {score_text(high, signed=True)}"


def _look(number: int) -> tuple[str, str, str]:
    """Colour, dashes and marker of a line: the first four differ in all, the next in the pairing."""
    turn = number // len(SERIES)
    return SERIES[number % len(SERIES)], DASHES[(number + turn) % len(DASHES)], MARKERS[(number + turn) % len(MARKERS)]
