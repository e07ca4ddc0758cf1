"""What pages are made of: tiles, tables and plots; `parts.html` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.page.plot import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Tile:
    """A number in large: its name, its value and notes on it."""

    name: str
    value: str
    notes: Sequence[str]


@dataclass(frozen=True)
class DataTable:
    """The numbers behind a plot, as text; the first column heads its row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Plot:
    """One plot of the page.

    Attributes:
        name: its ids begin with it; unique in the page.
        title: above it.
        shape: the text alternative: the kind of plot and its axes.
        caption: what it shows, in a sentence or two.
        svg: the drawing; "" for none.
        table: its numbers.
        wide: whether it scrolls on a phone, where others shrink.
    """

    name: str
    title: str
    shape: str
    caption: str
    svg: str
    table: DataTable
    wide: bool = False

    @classmethod
    def of(
        cls, figure: Figure, name: str, title: str, shape: str, caption: str, table: DataTable, *, wide: bool = False
    ) -> Plot:
        """Return a figure that was drawn within `style()` as a plot."""
        return cls(name, title, shape, caption, to_svg(figure, name, title, shape), table, wide)
