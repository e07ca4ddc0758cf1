"""A page: its template filled in, with style and script inside, and nothing that it could fetch."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import os
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from glueft.files import size
from glueft.page.words import duration, listed, percent, row_text, shown
from glueft.system.templates import fill
from glueft.text import counted, without_secrets
from glueft.version import __version__

# Of the page of a run or a study, in its folder.
FILE_NAME = "report.html"

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


def render_page(package: str, values: Mapping[str, Any], *, lists_rows: bool = False) -> str:
    """Return a page.

    Every text is escaped but the drawings, which `plot.to_svg` has escaped. If a text of the data became markup all the
    same, the page's policy lets no script run but its own, known by its hash, and no request leave.

    Args:
        package: the one with the template, `page.html`, which extends `frame.html`.
        values: what it needs beside style, script, policy and version.
        lists_rows: whether there are lists of rows, which a script narrows down.
    """
    script = _file("rows.js") if lists_rows else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # matplotlib's SVG has style attributes. `data:` is the empty icon, for which browsers else ask the server.
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    shared = {"policy": policy, "script": script, "style": _file("style.css"), "version": __version__}
    packages = (package, "glueft.page")
    text = fill(packages, "page.html", {**shared, **values}, FILTERS, autoescape=True, finalize=shown)
    return without_secrets(text.strip() + "\n")


def relative_link(target: Path, page: Path) -> str:
    """Return the address of a file or folder as seen from a page, so that both can be moved together."""
    try:
        path = Path(os.path.relpath(target, page.parent)).as_posix()
    except ValueError:  # another drive
        return target.as_uri()
    return urllib.parse.quote(path) if ":" not in path.split("/")[0] else "./" + urllib.parse.quote(path)


def _file(name: str) -> str:
    return (importlib.resources.files("glueft.page") / name).read_text("utf-8")
