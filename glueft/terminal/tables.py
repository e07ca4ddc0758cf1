"""What several tables share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glueft.metrics import titled
from glueft.runs.record import Published
from glueft.system.console import Table
from glueft.text import score_text


def frameless(title: str | None = None, **options: Any) -> Table:
    """Return an empty table without lines."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        **options,
    )


def named_values(title: str | None = None) -> Table:
    """Return an empty table of names and values."""
    table = frameless(title, show_header=False)
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
