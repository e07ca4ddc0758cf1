"""A matplotlib figure -> an SVG inside the page: with text as text, the page's colours, and ids of its own.

matplotlib is imported inside functions that draw.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# matplotlib draws in these colours, and the SVG has the page's variables in their place: one drawing serves light, dark
# and print.
INK, MUTED, GRID, PAPER = "#000001", "#000002", "#000003", "#000004"
SERIES = ("#000011", "#000012", "#000013", "#000014")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line", PAPER: "--paper"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)
}
# Lines differ in more than colour.
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D")

WIDTH, HEIGHT = 330, 235  # in the SVG's units, about CSS pixels on a phone
FONT_SIZE = 10
# The least span of an axis of scores: on a smaller one rounding errors show as curves.
LEAST_SPAN = 0.02


@contextmanager
def style() -> Iterator[None]:
    """Draw in the page's style; the user's matplotlibrc is left aside."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # Letters that the font lacks are drawn by the reader's browser, with its own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "glueft",
                "text.parse_math": False,  # a label may be called "$x$"
                "font.size": FONT_SIZE,
                "font.family": ["DejaVu Sans"],
                "text.color": INK,
                "axes.edgecolor": MUTED,
                "axes.labelcolor": INK,
                "axes.linewidth": 0.8,
                "axes.grid": True,
                "axes.axisbelow": True,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "grid.color": GRID,
                "grid.linewidth": 0.6,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "legend.frameon": False,
                "legend.fontsize": FONT_SIZE - 1,
                "lines.linewidth": 1.6,
                "lines.markersize": 5,
                "figure.facecolor": "none",
                "axes.facecolor": "none",
            }
        )
        yield


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes; the size is in the SVG's units. Call it within `style()`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
    return figure, figure.add_subplot()


def legend_above(axes: Axes, columns: int = 2) -> None:
    """Put the legend above the drawing, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handlelength=2.2)


def choice_id(place: int) -> str:
    """Return the `gid` of what belongs to one of `parts.Choices` alone, each part of a drawing that does."""
    return f"choice-{place}"


def least_span(axes: Axes, side: str = "y") -> None:
    """Widen the axis of a score, "x" or "y", on which all is the same but for its last digits."""
    axes.ticklabel_format(axis="x" if side == "x" else "y", useOffset=False)
    low, high = axes.get_xlim() if side == "x" else axes.get_ylim()
    if math.isfinite(low + high) and abs(high - low) < LEAST_SPAN:
        middle = (low + high) / 2
        (axes.set_xlim if side == "x" else axes.set_ylim)(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)


def to_svg(figure: Figure, name: str, title: str, shape: str) -> str:
    """Return a figure as SVG that is part of a page of HTML; the other arguments are those of `parts.Plot`."""
    with io.BytesIO() as content:
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=nothing)
        root = ElementTree.fromstring(content.getvalue())
    for element in list(root.iter()):
        for part in list(element):
            if part.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(part)
        _fix(element, name)
    _join_links(root)
    # The parts of an image are not there for a screen reader: links must be.
    has_links = root.find(f".//{{{SVG}}}a") is not None
    width, height = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    root.attrib |= {
        "viewBox": f"0 0 {float(width):g} {float(height):g}",
        "role": "group" if has_links else "img",
        "aria-labelledby": f"{name}-title {name}-shape",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", shape))):
        described = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{'shape' if place else 'title'}"})
        described.text = text
        root.insert(place, described)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _join_links(root: Any) -> None:
    """Leave the keyboard and screen readers one link to each part of a list of rows, which says what it asks for.

    Such a link leads to the list; `rows.js`, which alone can narrow it down, adds what is asked.
    """
    links: dict[str, list[Any]] = {}
    for element in root.iter(f"{{{SVG}}}a"):
        address = element.attrib.pop("href", None) or element.attrib.pop(f"{{{XLINK}}}href", None) or ""
        element.set("href", address)
        if not address.startswith("#") or "&" not in address:
            continue
        element.attrib |= {"href": address.partition("&")[0], "data-asks": address}
        if "".join(element.itertext()).strip():
            links.setdefault(address, []).append(element)
    for address, (first, *others) in links.items():
        texts = [" ".join("".join(link.itertext()).split()) for link in (first, *others)]
        asked = ", ".join(f"{key} {value}" for key, value in parse_qsl(address.partition("&")[2]))
        first.set("aria-label", f"{', '.join(texts)}: {asked}")
        for link in others:
            link.attrib |= {"tabindex": "-1", "aria-hidden": "true"}


def _fix(element: Any, name: str) -> None:
    """Put the plot's name before the ids of an element, and the page's variables and font in its style."""
    is_link = element.tag == f"{{{SVG}}}a"
    if is_link:
        element.attrib.pop("target", None)  # "_blank"
    if is_link and not "".join(element.itertext()).strip():  # that of a shape, beside that of its text
        element.attrib |= {"tabindex": "-1", "aria-hidden": "true"}
    if (chosen := re.fullmatch(r"choice-(\d+)", element.get("id", ""))) is not None:
        del element.attrib["id"]
        element.attrib |= {"data-choice": chosen[1]} | ({} if chosen[1] == "0" else {"hidden": "hidden"})
    for key, value in element.attrib.items():
        if key == "id":
            value = f"{name}-{value}"
        elif key in ("href", f"{{{XLINK}}}href") and value.startswith("#") and not is_link:
            value = f"#{name}-{value[1:]}"
        else:
            value = re.sub(r"url\(#", f"url(#{name}-", value)
        if key == "style":
            value = re.sub(r"#0000[0-9a-f]{2}", lambda colour: f"var({VARIABLES[colour[0]]})", value)
            value = re.sub(r"font: (\d+ )?([\d.]+)px [^;]*", r"font-size: \2px", value)
        element.set(key, value)
