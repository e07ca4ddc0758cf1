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
        table: its numbers; None where those of each choice are beside it.
        wide: whether it scrolls on a phone, where others shrink.
    """

    name: str
    title: str
    shape: str
    caption: str
    svg: str
    table: DataTable | None
    wide: bool = False

    @classmethod
    def of(
        cls,
        figure: Figure,
        name: str,
        title: str,
        shape: str,
        caption: str,
        table: DataTable | None,
        *,
        wide: bool = False,
    ) -> Plot:
        """Return a figure that was drawn within `style()` as a plot."""
        return cls(name, title, shape, caption, to_svg(figure, name, title, shape), table, wide)


@dataclass(frozen=True)
class Choice:
    """What can be looked at: its name, what there is to say of it, and its numbers."""

    name: str
    caption: str
    table: DataTable


@dataclass(frozen=True)
class Choices:
    """Plots of which a reader looks at one choice at a time; without a script, drawn is the first.

    Attributes:
        key: the id, and the name in the page's address.
        asked: the name of what is chosen in the address.
        question: before the choice.
        note: which choices there are; "" for nothing to say.
        choices: in their order.
        plots: what belongs to a choice in them has the `plot.choice_id` of its place.
    """

    key: str
    asked: str
    question: str
    note: str
    choices: Sequence[Choice]
    plots: Sequence[Plot]
