"""The table of `glueft list-runs`."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.text import Text

from glueft.data.held_out import HELD_OUT
from glueft.recipe.sections import short_checkpoint
from glueft.runs.run_list import ListedRun, metric_names, metric_titles
from glueft.system.console import PlainConsole, Table
from glueft.terminal.tables import number_columns
from glueft.text import duration, printable_line, score_text

# So many runs of a kind are named.
_NAMED = 5
# So many letters of a label's name stand in a cell.
_LETTERS = 24
# Colours that can be read on a dark and on a light terminal: yellow cannot.
_STYLES = {
    "done": "green",
    "running": "cyan",
    "broken": "red",
    "failed": "red",
    "died": "red",
    "interrupted": "magenta",
}


def run_table(runs: Sequence[ListedRun], width: int | None = None) -> Table:
    """Return a row a run, with a column for each metric that any of them has, or of its first metric alone.

    Args:
        runs: in their order.
        width: of the terminal; None for any. The columns of several tasks' metrics seldom fit one.
    """
    table = _whole_table(runs)
    return table if width is None or _least_width(table) <= width else _narrow_table(runs)


def _least_width(table: Table) -> int:
    console = PlainConsole(io.StringIO(), width=10_000)
    return console.measure(table).minimum


def _narrow_table(runs: Sequence[ListedRun]) -> Table:
    """The runs with what tells them apart and how they did; a name begins with the task."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("run", overflow="fold", no_wrap=False, min_width=max(len(run.folder) for run in runs))
    table.add_column("status", no_wrap=True)
    table.add_column("score", no_wrap=True, overflow="ellipsis")
    table.add_column("time", justify="right", no_wrap=True, overflow="ellipsis")
    for run in runs:
        first = next(iter(run.metrics or {}), None)
        score = "" if first is None else f"{score_text((run.metrics or {})[first])} {first}"
        seconds = "" if run.seconds is None else duration(run.seconds)
        table.add_row(run.folder, Text(run.status, style=_STYLES[run.status]), score, seconds)
    return table


def _whole_table(runs: Sequence[ListedRun]) -> Table:
    titles = dict(zip(metric_names(runs), metric_titles(runs), strict=True))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # Where the terminal is narrow the checkpoint gives way first.
    table.add_column("run", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("checkpoint", overflow="ellipsis", min_width=6)
    number_columns(table, *titles.values(), "time", "seed", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for run in runs:
        cells = (
            run.folder,
            run.task or "",
            short_checkpoint(run.checkpoint or ""),
            *(_score(run, name, title) for name, title in titles.items()),
            "" if run.seconds is None else duration(run.seconds),
            "" if run.seed is None else str(run.seed),
        )
        table.add_row(*cells, Text(run.status, style=_STYLES[run.status]))
    return table


def _score(run: ListedRun, name: str, title: str) -> str:
    """A metric of a run, with the label that it is of where the column's title does not say so for all."""
    score = (run.metrics or {}).get(name)
    if score is None:
        return ""
    label = (run.metric_labels or {}).get(name)
    return score_text(score) + (f" of {_short(label)}" if label is not None and title == name else "")


def _short(label: str) -> str:
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1]}…"


def notes(runs: Sequence[ListedRun]) -> list[str]:
    """Return the lines on runs of which there is more to say: why one is broken, has collapsed, or held rows out."""
    lines = []
    for run in runs:
        lines += [f"{run.folder}: {run.status}: {run.note}"] if run.note is not None else []
        lines += [f"{run.folder}: {run.collapse}"] if run.collapse is not None else []
    held = [run.folder for run in runs if run.split == HELD_OUT and run.metrics]
    if held:
        named = ", ".join(held[:_NAMED]) + (f" and {len(held) - _NAMED} more" if len(held) > _NAMED else "")
        lines.append(f"of training rows that were held out, not of the validation rows: the metrics of {named}")
    return [printable_line(line) for line in lines]
