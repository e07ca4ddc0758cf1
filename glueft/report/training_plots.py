"""The plots of a training: loss, validation metrics, learning rate, seconds and lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.metrics import lower_is_better, metric_title
from glueft.page.curves import SMOOTHED, smoothed
from glueft.page.parts import DataTable, Plot
from glueft.page.plot import DASHES, INK, MARKERS, MUTED, SERIES, least_span, legend_above, new_figure
from glueft.text import counted, epoch_text, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glueft.page.curves import Curves
    from glueft.runs.record import Histogram, Record, Split

# Of a run whose threshold is tuned at its end.
DECIDED_PLAINLY = "During the training labels were decided plainly; the result is at the tuned threshold."


def loss_plot(curves: Curves) -> Plot:
    """Draw the training loss over the steps, and the validation loss of each evaluation."""
    figure, axes = new_figure()
    steps, losses = zip(*curves.loss, strict=True)
    strong = smoothed(losses)
    axes.plot(steps, losses, color=SERIES[0], linewidth=1, alpha=0.35, label="training, each point")
    axes.plot(steps, strong, color=SERIES[0], label=f"mean of {SMOOTHED} points")
    ends = [entry["step"] for entry in curves.evaluations]
    validation = [entry["validation_loss"] for entry in curves.evaluations]
    if ends:
        axes.plot(ends, validation, color=SERIES[1], marker=MARKERS[1], linestyle="--", label="validation")
    top = _fit(axes, losses, strong, validation)
    _over_steps(axes, "loss")
    legend_above(axes)
    title = "Loss"
    shape = f"Line chart. Horizontal: optimizer step, 0 to {curves.last_step:,}. Vertical: loss."
    caption = (
        f"The pale line has the mean loss since the point before, the strong one the mean of {SMOOTHED} such points."
    )
    if curves.epochs:
        first, last = curves.epochs[0], curves.epochs[-1]
        caption = f"Mean training loss was {first['loss']:.3f} in epoch {first['epoch']}" + (
            f" and {last['loss']:.3f} in epoch {last['epoch']}. {caption}" if last is not first else f". {caption}"
        )
    if passing := sum(loss > top for loss in losses):
        caption += f" {counted(passing, 'point')} {'lies' if passing == 1 else 'lie'} above the drawing."
    if ends:
        caption += " " + best_text("Validation loss", "lowest", curves.evaluations, validation, ".3f")
    by_step: dict[int, list[str]] = {step: [score_text(loss), ""] for step, loss in curves.loss}
    for step, loss in zip(ends, validation, strict=True):
        by_step.setdefault(step, ["", ""])[1] = score_text(loss)
    rows = [(f"{step:,}", *cells) for step, cells in sorted(by_step.items())]
    table = DataTable(("step", "training loss", "validation loss"), rows)
    return Plot.of(figure, "loss", title, shape, caption, table)


def metrics_plot(curves: Curves, record: Record, labels: Mapping[str, str]) -> Plot:
    """Draw the validation metrics of each evaluation.

    Args:
        curves: of the training.
        record: of the run.
        labels: for each metric that is about one label that label, as it is shown.
    """
    figure, axes = new_figure()
    baseline, facts = record.baseline, record["metric_facts"] if record.metric_facts else {}
    titles = {name: metric_title(name, labels) for name in curves.metrics}
    epochs = [entry["epoch"] for entry in curves.evaluations]
    for number, name in enumerate(curves.metrics):
        colour = SERIES[number % len(SERIES)]
        values = [entry["metrics"][name] for entry in curves.evaluations]
        marker, dashes = MARKERS[number % 4], DASHES[number % 4]
        axes.plot(epochs, values, color=colour, marker=marker, linestyle=dashes, label=titles[name])
        if name in baseline:
            axes.axhline(baseline[name], color=colour, linewidth=1, linestyle=(0, (1, 2)))
    if baseline:
        axes.plot([], [], color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="same answer always")
    if len(epochs) <= 10:
        axes.set_xticks(epochs, [*map(epoch_text, epochs)])
    axes.set_xlim(0.5 if epochs[0] == 1 else 0, epochs[-1] + 0.5)
    axes.margins(y=0.15)
    least_span(axes)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation metric")
    legend_above(axes)
    title = "Validation metrics"
    shape = f"Line chart. Horizontal: epoch, {epoch_text(epochs[0])} to {epoch_text(epochs[-1])}. "
    shape += f"Vertical: {' and '.join(titles.values())}."
    first = curves.metrics[0]
    values = [entry["metrics"][first] for entry in curves.evaluations]
    best = "lowest" if lower_is_better(first, facts) else "highest"
    caption = best_text(titles[first], best, curves.evaluations, values, ".4f")
    caption += f" {DECIDED_PLAINLY}" if record.decision and "threshold" in record.decision.tuned else ""
    rows = [(epoch_text(entry["epoch"]), *map(score_text, entry["metrics"].values())) for entry in curves.evaluations]
    if baseline:
        rows.append(("same answer always", *(score_text(baseline.get(name, float("nan"))) for name in curves.metrics)))
    table = DataTable(("epoch", *titles.values()), rows)
    return Plot.of(figure, "metrics", title, shape, caption, table)


def learning_rate_plot(curves: Curves) -> Plot:
    figure, axes = new_figure()
    steps, rates = zip(*curves.learning_rate, strict=True)
    axes.plot(steps, rates, color=SERIES[0])
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.set_ylim(bottom=0)
    _over_steps(axes, "learning rate")
    title = "Learning rate"
    shape = f"Line chart. Horizontal: optimizer step, 0 to {curves.last_step:,}. Vertical: learning rate, from 0."
    caption = f"From {rates[0]:.2e} at step {steps[0]:,} to {rates[-1]:.2e} at step {steps[-1]:,}"
    caption += "." if max(rates) == rates[0] else f", highest at step {steps[rates.index(max(rates))]:,}: "
    caption += "" if max(rates) == rates[0] else f"{max(rates):.2e}."
    table = DataTable(("step", "learning rate"), [(f"{step:,}", f"{rate:.3e}") for step, rate in curves.learning_rate])
    return Plot.of(figure, "rate", title, shape, caption, table)


def seconds_plot(seconds: Mapping[str, float]) -> Plot:
    phases = {name: seconds[name] for name in ("setup", "train", "evaluate") if name in seconds}
    whole = sum(phases.values())
    figure, axes = new_figure(height=150)
    bars = axes.barh(list(phases), list(phases.values()), color=SERIES[0], height=0.6)
    axes.bar_label(bars, [f"{value:,.1f} s" for value in phases.values()], padding=4, color=INK)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.margins(x=0.22)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("seconds")
    title = "Seconds by phase"
    shape = f"Bar chart, a bar a phase: {', '.join(phases)}. Horizontal: seconds, from 0."
    caption = ", ".join(f"{name} {share(value, whole)}" for name, value in phases.items()) + " of the time."
    if "first_step" in seconds:
        caption += f" The first step was done {seconds['first_step']:,.1f} s after the start."
    if "compile" in seconds:
        caption += f" Tracing and compiling took {seconds['compile']:,.1f} s of train and evaluate."
    rows = [(name, f"{value:,.1f} s", share(value, whole)) for name, value in phases.items()]
    if "total" in seconds:
        rows.append(("total", f"{seconds['total']:,.1f} s", ""))
    return Plot.of(figure, "seconds", title, shape, caption, DataTable(("phase", "seconds", "share"), rows))


def lengths_plot(splits: Mapping[str, Split], max_length: int | None) -> Plot:
    """Draw the histogram of the rows' lengths in tokens, as a share of each split.

    Args:
        splits: those of run.json that have `token_lengths`.
        max_length: the recipe's `data.max_length`.
    """
    figure, axes = new_figure()
    histograms = {name: split.token_lengths for name, split in splits.items() if split.token_lengths}
    width = max(histogram.bin_tokens for histogram in histograms.values())
    shares = {name: _rebinned(histogram, width) for name, histogram in histograms.items()}
    bins = max(map(len, shares.values()))
    shares = {name: counts + [0] * (bins - len(counts)) for name, counts in shares.items()}
    edges = [index * width for index in range(bins + 1)]
    for number, (name, counts) in enumerate(shares.items()):
        values = [100 * rows / sum(counts) for rows in counts]
        colour = SERIES[number % len(SERIES)]
        if number == 0:
            axes.stairs(values, edges, color=colour, alpha=0.35, fill=True)
        axes.stairs(values, edges, color=colour, label=name, linewidth=1.5, linestyle=DASHES[number % 4])
    axes.set_xlabel("tokens of a row, special tokens counted")
    axes.set_ylabel("% of the split's rows")
    legend_above(axes)
    title = "Token lengths"
    shape = f"Histogram, a line a split: {', '.join(shares)}. Horizontal: tokens of a row, in bins of {width}. "
    shape += "Vertical: percent of the split's rows."
    means = [f"{name} rows have {(split.tokens or 0) / split.rows:.1f} tokens" for name, split in splits.items()]
    caption = f"On average {' and '.join(means)}. "
    cut = {name: split.truncated_rows for name, split in splits.items() if split.truncated_rows}
    parts = [f"{counted(rows, f'{name} row')} ({share(rows, splits[name].rows)})" for name, rows in cut.items()]
    windows = [
        f"{counted(split.rows, f'{name} row')} in {split.windows:,}" for name, split in splits.items() if split.windows
    ]
    caption += f"They are of windows: {', '.join(windows)}. " if windows else ""
    caption += f"Cut to data.max_length = {max_length}: {', '.join(parts) or 'no row'}."
    rows = [
        (f"{edges[index] + 1} to {edges[index + 1]}", *(f"{counts[index]:,}" for counts in shares.values()))
        for index in range(bins)
        if any(counts[index] for counts in shares.values())
    ]
    table = DataTable(("tokens", *(f"{name} rows" for name in shares)), rows)
    return Plot.of(figure, "lengths", title, shape, caption, table)


def _fit(axes: Axes, losses: Sequence[float], strong: Sequence[float], validation: Sequence[float]) -> float:
    """Fit the vertical axis to the losses, and return its end, which single points far above all else may pass."""
    usual = [sorted(values)[round(0.98 * (len(values) - 1))] for values in (losses, strong)]
    low, high = min(*losses, *validation), max(*usual, *validation)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1e-6
    axes.set_ylim(max(0.0, low - room) if low >= 0 else low - room, high + room)
    return high + room


def share(part: float, whole: float) -> str:
    """Return `12 %`, with a decimal below 10."""
    value = 100 * part / whole if whole else 0.0
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def best_text(
    name: str, wanted: str, entries: Sequence[Mapping[str, Any]], values: Sequence[float], digits: str
) -> str:
    """A sentence on the best value and on the last; a metric may be not defined, as a correlation of equal scores."""
    defined = [place for place, value in enumerate(values) if math.isfinite(value)]
    if not defined:
        return f"{name} is not defined after any epoch."
    if len(values) == 1:
        return f"{name} was {values[0]:{digits}} after epoch {epoch_text(entries[0]['epoch'])}."
    if len(set(values)) == 1:
        return f"{name} was {values[0]:{digits}} after each epoch."
    best = (max if wanted == "highest" else min)(defined, key=values.__getitem__)
    told = f"{name} was {wanted} after epoch {epoch_text(entries[best]['epoch'])}: {values[best]:{digits}}"
    if not math.isfinite(values[-1]):
        return f"{told}; after the last it is not defined."
    return told + ("." if best == len(values) - 1 else f"; after the last it was {values[-1]:{digits}}.")


def _over_steps(axes: Axes, vertical: str) -> None:
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(vertical)


def _rebinned(histogram: Histogram, width: int) -> list[int]:
    """The counts of a histogram in bins of a width that is a multiple of its own."""
    together = width // histogram.bin_tokens
    return [sum(histogram.rows[start : start + together]) for start in range(0, len(histogram.rows), together)]
