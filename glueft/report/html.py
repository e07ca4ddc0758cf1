"""The page: its template filled in, with its style and its script inside, and nothing that it could fetch."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.files import size
from glueft.report.words import duration, listed, percent, row_text, shown
from glueft.system.templates import fill
from glueft.text import counted, without_secrets
from glueft.training.collapse import ADVICE
from glueft.version import __version__

if TYPE_CHECKING:
    from glueft.report.content import Content
    from glueft.runs.record import Record

FILTERS: dict[str, Callable[..., Any]] = {
    "capital": lambda text: text[:1].upper() + text[1:],
    "counted": counted,
    "duration": duration,
    "grouped": "{:,}".format,
    "listed": listed,
    "percent": percent,
    "row_text": row_text,
    "size": size,
}


def render(record: Record, content: Content) -> str:
    """Return the page of a run."""
    script = _page_file("filter.js")
    return render_page(("glueft.report",), "page/report.html", {"content": content, "record": record}, script)


def render_page(packages: Sequence[str], template: str, values: Mapping[str, Any], script: str = "") -> str:
    """Return a page.

    Every text is escaped but the drawings, which `plot.to_svg` has escaped. If a text of the data became markup all the
    same, the page's policy lets no script run but its own, known by its hash, and no request leave.

    Args:
        packages: those with the template and what it imports; `page/` is there as well.
        template: the name of its file.
        values: what it needs beside style, policy and version.
        script: the page's own.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # matplotlib's SVG has style attributes. `data:` is the empty icon, for which browsers else ask the server.
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    shared = {
        "advice": ADVICE,
        "policy": policy,
        "script": script,
        "style": _page_file("style.css"),
        "version": __version__,
    }
    text = fill(packages, template, {**shared, **values}, FILTERS, autoescape=True, finalize=shown)
    return without_secrets(text.strip() + "\n")


def _page_file(name: str) -> str:
    return (importlib.resources.files("glueft.report") / "page" / name).read_text("utf-8")
