"""What several tables share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from glueft.metrics import titled
from glueft.recipe.sections import RUN
from glueft.runs.record import Published
from glueft.system.console import Table
from glueft.text import score_text


def named_values(title: str | None = None) -> Table:
    """Return an empty table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("name")
    table.add_column("value", overflow="fold")
    return table


def number_columns(table: Table, *names: str, no_wrap: bool = False) -> None:
    """Add columns that are aligned to the right."""
    for name in names:
        table.add_column(name, justify="right", no_wrap=no_wrap)


def add_published(table: Table, published: Sequence[Published], labels: Mapping[str, str]) -> None:
    """Add a row for each published score."""
    for score in published:
        split = f" on {score.split}" if score.split else ""
        table.add_row("published", f"{scores_text(score.metrics, labels)}{split} ({score.model})")


def scores_text(metrics: Mapping[str, float], labels: Mapping[str, str]) -> str:
    """Return `accuracy 0.8578, f1 of equivalent 0.8997`."""
    return ", ".join(f"{name} {score_text(value)}" for name, value in titled(metrics, labels).items())


def short_checkpoint(name: str) -> str:
    """Return a checkpoint's name; of a long path its last two parts, of a run its folder's name."""
    path = PurePath(name.removeprefix(RUN))
    if name.startswith(RUN):
        return RUN + path.name
    return "…/" + "/".join(path.parts[-2:]) if path.is_absolute() and len(path.parts) > 3 else name
