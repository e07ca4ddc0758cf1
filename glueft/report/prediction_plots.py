"""The plots of a split's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from glueft.page.parts import DataTable, Plot
from glueft.page.plot import INK, MUTED, SERIES, legend_above, new_figure
from glueft.page.row_list import address
from glueft.page.words import percent, short
from glueft.plugin.wilson import wilson
from glueft.report.rows import rows_key
from glueft.report.scores import DRAWN_LABELS, Bin, Classified, Regressed, calibration, confusion
from glueft.report.training_plots import share
from glueft.text import counted

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle
    from numpy.typing import NDArray

LISTED_CONFUSIONS = 30
CONFIDENCE_BINS = 20
# More points hide each other, and make the page heavy.
SCATTER_POINTS = 2000
# The width of the interval of the share that is right, from which on nothing is said of a model that is as sure.
CLOSE = 0.05


def confusion_plot(key: str, scores: Classified) -> Plot:
    counts = confusion(scores)
    labels = scores.labels
    size = len(labels)
    name, title = f"{key}-confusion", "Confusion matrix"
    off = counts * (1 - np.eye(size, dtype=np.int64))
    true, guess = np.unravel_index(off.argmax(), off.shape)
    on, rows_in_all = int(counts.trace()), int(counts.sum())
    caption = f"{on:,} of {counted(rows_in_all, 'row')} {'is' if on == 1 else 'are'} on the diagonal, where the "
    caption += "prediction is right."
    if off.any():
        mistake = f"{labels[true]} taken for {labels[guess]}"
        caption += f" The commonest mistake: {mistake} ({counted(int(off[true, guess]), 'row')})."
    rows = _confusion_rows(counts, labels)
    table = DataTable(("true label", *(f"predicted {label}" for label in labels), "found"), rows)
    if size > DRAWN_LABELS:
        table = DataTable(
            ("true label, predicted label", "rows", "of the label's rows"), _commonest(off, counts, labels)
        )
        shape = f"{size} labels are too many to draw; the table lists the commonest mistakes."
        return Plot(name, title, shape, f"{caption} {shape}", "", table)
    side = max(300, 40 + 30 * size)
    figure, axes = new_figure(side + 60, side)
    of_row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.argwhere(counts):
        cell = axes.add_patch(_cell(row, column, right=row == column, strength=float(of_row[row, column])))
        cell.set_url(_rows_of(key, labels, row, column))
    for row, column in np.ndindex(counts.shape):
        text = f"{counts[row, column]:,}" + (f"\n{100 * of_row[row, column]:.0f} %" if size <= 6 else "")
        number = axes.text(column, row, text, ha="center", va="center", fontsize=11 if size <= 6 else 8, color=INK)
        number.set_url(_rows_of(key, labels, row, column) if counts[row, column] else None)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="predicted label", ylabel="true label")
    axes.set_aspect("equal")
    axes.grid(False)
    names = [short(label) for label in labels]
    slanted = size > 4 or sum(map(len, names)) > 34
    axes.set_xticks(range(size), names, rotation=35 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(range(size), names, rotation=90 if size <= 3 and not slanted else 0, va="center")
    axes.tick_params(length=0)
    shape = (
        f"Matrix of {size} by {size} cells: a row a true label, a column a predicted one, each cell a count of rows, "
    )
    shape += "darker the greater its share of its row. The table below has the counts."
    caption += " A cell leads to its rows below."
    return Plot.of(figure, name, title, shape, caption, table, wide=size > 10)


def confidence_plot(key: str, scores: Classified) -> Plot:
    """Draw the confidence of the right and of the wrong predictions."""
    figure, axes = new_figure()
    size = len(scores.labels)
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    named = scores.labelled
    right, wrong = scores.confidence[named & ~scores.wrong], scores.confidence[scores.wrong]
    groups = {"right": right, "wrong": wrong} if named.any() else {scores.unit: scores.confidence}
    axes.hist(
        list(groups.values()),
        edges.tolist(),
        stacked=True,
        color=SERIES[: len(groups)],
        label=[f"{name} ({len(values):,})" for name, values in groups.items()],
    )
    lowest = min(1 / size, float(scores.confidence.min(initial=1)))
    axes.set_xlim(np.floor(CONFIDENCE_BINS * lowest) / CONFIDENCE_BINS, 1)
    of = "predicted label" if scores.unit == "rows" else "decision"
    axes.set_xlabel(f"confidence: probability of the {of}")
    axes.set_ylabel(scores.unit)
    legend_above(axes)
    name, title = f"{key}-confidence", "Confidence"
    shape = f"Histogram. Horizontal: probability of the {of}, in bins of {1 / CONFIDENCE_BINS:g}. "
    shape += f"Vertical: {scores.unit}; those that are wrong are stacked on those that are right."
    medians = {name: float(np.median(values)) for name, values in groups.items() if len(values)}
    if not named.any():
        shape = shape.partition(";")[0] + "."
        medians = {f"over all {scores.unit}": medians[scores.unit]}
    told = [f"{median:.3f} {'' if ' ' in name else 'where it is '}{name}" for name, median in medians.items()]
    caption = f"The model's median confidence is {' and '.join(told)}."
    counted = {key: np.histogram(values, edges)[0] for key, values in groups.items()}
    rows = [row for row in _histogram_rows(edges, counted) if {*row[1:]} != {"0"}]
    return Plot.of(figure, name, title, shape, caption, DataTable(("confidence", *counted), rows))


def calibration_plot(key: str, scores: Classified, unscaled: Classified | None = None) -> Plot:
    """Draw the share of right predictions over their confidence, with the expected calibration error.

    Args:
        key: of the split.
        scores: what is drawn.
        unscaled: the same with the probabilities at temperature 1, where they are of another one.
    """
    known = scores.labelled
    bins, error = calibration(scores.confidence[known], right_of(scores))
    filled = [item for item in bins if item.rows]
    figure, axes = new_figure(height=270)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1, label="perfect")
    places = [item.confidence for item in filled]
    values = np.array([item.accuracy for item in filled])
    low, high = (np.array([item.interval[side] for item in filled]) for side in (0, 1))
    axes.errorbar(
        places,
        values,
        np.abs([values - low, high - values]),
        color=SERIES[0],
        marker="o",
        linewidth=1.4,
        elinewidth=1,
        capsize=2.5,
        label="this model, 95 % interval",
    )
    before, error_before = (
        ([], 0.0) if unscaled is None else calibration(unscaled.confidence[known], right_of(unscaled))
    )
    before = [item for item in before if item.rows]
    if before:
        axes.plot(
            [item.confidence for item in before],
            [item.accuracy for item in before],
            color=SERIES[1],
            marker="s",
            markersize=4,
            linewidth=1,
            linestyle=":",
            label="before the temperature",
        )
    # By a threshold a label may be given that is less than probable.
    start = np.floor(10 * min([1 / len(scores.labels), *places, *(item.confidence for item in before)])) / 10
    axes.set(xlim=(start, 1.02), ylim=(min(start, float(low.min())) - 0.02, 1.02))
    axes.set_xlabel(f"mean confidence of a bin's {scores.unit}")
    axes.set_ylabel("share that is right")
    legend_above(axes)
    name, title = f"{key}-calibration", "Calibration"
    shape = f"Line chart with error bars. Horizontal: mean confidence of a bin's {scores.unit}. "
    shape += "Vertical: share of them that is "
    shape += "right. On the dashed diagonal both are the same."
    shape += " A dotted line shows the same before the temperature." if before else ""
    told = f", {error_before:.3f} before the temperature" if before else ""
    caption = f"Expected calibration error {error:.3f}{told}. {sureness(scores, bins)}"
    rows = [
        (
            f"{item.low:.1f} to {item.high:.1f}{'' if item in filled else ', before the temperature'}",
            f"{item.rows:,}",
            f"{item.confidence:.3f}",
            f"{item.accuracy:.3f}",
            f"{item.interval[0]:.2f} to {item.interval[1]:.2f}",
        )
        for item in [*filled, *before]
    ]
    table = DataTable(("confidence", scores.unit, "mean confidence", "share right", "95 % interval"), rows)
    return Plot.of(figure, name, title, shape, caption, table)


def sureness(scores: Classified, bins: Sequence[Bin]) -> str:
    """Say whether the model is as sure as it is right: on average, and bin by bin; and no more than the rows can show.

    Args:
        scores: with a reference for one row at least.
        bins: its calibration curve.
    """
    known = scores.labelled
    rows, hits = int(known.sum()), int(right_of(scores).sum())
    mean, right = float(scores.confidence[known].mean()), hits / rows
    commonest = float(np.bincount(scores.true[known]).max() / rows)
    low, high = wilson(hits, rows)
    told = f"On average the model is {percent(mean)} sure and {percent(right)} right"
    if low <= commonest:
        told += f", {'less' if high < commonest else 'not clearly more'} than always the commonest answer of these "
        told += f"rows would be ({percent(commonest)})."
    elif not low <= mean <= high:
        told += f": it is {'more' if mean > high else 'less'} sure than it should be."
    elif any(item.rows and not item.interval[0] <= item.confidence <= item.interval[1] for item in bins):
        told += ": that is the same on average, and not at each confidence, as the drawing shows."
    elif high - low > CLOSE:
        told += f": a difference that {counted(rows, scores.unit.removesuffix('s'))} cannot tell from none."
    else:
        told += ": about as sure as it should be."
    return told


def right_of(scores: Classified) -> NDArray[np.bool_]:
    """Return which of the labelled rows are predicted right."""
    right: NDArray[np.bool_] = ~scores.wrong[scores.labelled]
    return right


def scatter_plot(key: str, scores: Regressed) -> Plot:
    known = np.flatnonzero(scores.labelled)
    shown = known
    if len(known) > SCATTER_POINTS:
        shown = np.sort(np.random.default_rng(0).choice(known, SCATTER_POINTS, replace=False))
    figure, axes = new_figure(height=330)
    both = np.concatenate([scores.true[known], scores.predicted[known]])
    ends = [float(both.min()), float(both.max())]
    axes.plot(ends, ends, color=MUTED, linestyle="--", linewidth=1, label="prediction = true score")
    axes.plot(
        scores.true[shown], scores.predicted[shown], ".", color=SERIES[0], alpha=0.45, markersize=5, label="a row"
    )
    axes.set_xlabel("true score")
    axes.set_ylabel("predicted score")
    legend_above(axes)
    name, title = f"{key}-scatter", "Predicted against true score"
    shape = "Scatter plot, a point a row. Horizontal: true score. Vertical: predicted score. "
    shape += "On the dashed diagonal both are the same."
    error = scores.error[known]
    caption = f"The mean absolute error is {np.abs(error).mean():.3f}, and the mean error {error.mean():+.3f} "
    caption += "(predicted minus true). "
    if len(shown) < len(known):
        caption += f"Drawn are {len(shown):,} of the {len(known):,} rows, chosen at random."
    edges = np.histogram_bin_edges(scores.true[known], min(10, len(np.unique(scores.true[known]))))
    place = np.clip(np.digitize(scores.true[known], edges[1:-1]), 0, len(edges) - 2)
    rows = [
        (
            f"{edges[index]:.2f} to {edges[index + 1]:.2f}",
            f"{inside.sum():,}",
            f"{scores.true[known][inside].mean():.3f}",
            f"{scores.predicted[known][inside].mean():.3f}",
            f"{np.abs(error[inside]).mean():.3f}",
        )
        for index in range(len(edges) - 1)
        if (inside := place == index).any()
    ]
    table = DataTable(("true score", "rows", "mean true", "mean predicted", "mean absolute error"), rows)
    return Plot.of(figure, name, title, shape, caption.strip(), table)


def score_plot(key: str, scores: Regressed) -> Plot:
    """Draw the distributions of the predicted and the true scores."""
    known = scores.labelled
    groups = {"predicted": scores.predicted} | ({"true": scores.true[known]} if known.any() else {})
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), CONFIDENCE_BINS)
    counted = {key: np.histogram(values, edges)[0] for key, values in groups.items()}
    figure, axes = new_figure()
    for number, (key, counts) in enumerate(counted.items()):
        line = "-" if number == 0 else "--"
        axes.stairs(counts, edges, color=SERIES[number], fill=number == 0, alpha=0.35 if number == 0 else 1)
        axes.stairs(counts, edges, color=SERIES[number], linewidth=1.5, linestyle=line, label=key)
    axes.set_xlabel("score")
    axes.set_ylabel("rows")
    legend_above(axes)
    name, title = f"{key}-scores", "Scores"
    shape = f"Histogram, a line each for the {' and the '.join(groups)} scores. Horizontal: score. Vertical: rows."
    ranges = [f"{key} scores go from {values.min():.2f} to {values.max():.2f}" for key, values in groups.items()]
    caption = ", ".join(ranges) + "."
    table = DataTable(("score", *counted), _histogram_rows(edges, counted))
    return Plot.of(figure, name, title, shape, caption[0].upper() + caption[1:], table)


def _histogram_rows(edges: NDArray[np.float64], counted: Mapping[str, NDArray[np.int64]]) -> list[tuple[str, ...]]:
    return [
        (f"{edges[index]:.2f} to {edges[index + 1]:.2f}", *(f"{counts[index]:,}" for counts in counted.values()))
        for index in range(len(edges) - 1)
    ]


def _rows_of(key: str, labels: Sequence[str], row: int, column: int) -> str:
    """The link to the rows of a cell."""
    return address(rows_key(key), true=labels[row], predicted=labels[column])


def _cell(row: int, column: int, *, right: bool, strength: float) -> Rectangle:
    from matplotlib.patches import Rectangle

    # Pale enough for the number on it, in light and in dark.
    colour = SERIES[0] if right else SERIES[1]
    return Rectangle(
        (column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, alpha=0.08 + 0.42 * strength, linewidth=0
    )


def _confusion_rows(counts: NDArray[np.int64], labels: tuple[str, ...]) -> list[tuple[str, ...]]:
    whole, hits = counts.sum(axis=1), counts.diagonal()
    rows = [
        (label, *(f"{count:,}" for count in counts[index]), share(int(hits[index]), int(whole[index])))
        for index, label in enumerate(labels)
    ]
    predicted = counts.sum(axis=0)
    return [
        *rows,
        ("right when predicted", *(share(int(hit), int(n)) for hit, n in zip(hits, predicted, strict=True)), ""),
    ]


def _commonest(off: NDArray[np.int64], counts: NDArray[np.int64], labels: tuple[str, ...]) -> list[tuple[str, ...]]:
    places = np.argsort(-off, axis=None, kind="stable")[:LISTED_CONFUSIONS]
    found = [np.unravel_index(place, off.shape) for place in places]
    return [
        (
            f"{labels[row]} taken for {labels[column]}",
            f"{off[row, column]:,}",
            share(int(off[row, column]), int(counts[row].sum())),
        )
        for row, column in found
        if off[row, column]
    ]
