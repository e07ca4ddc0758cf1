"""The page's template filled in, with its style and its one script inside, and nothing it could fetch."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from typing import TYPE_CHECKING

from glueft.report.words import shown
from glueft.text import without_secrets

if TYPE_CHECKING:
    from glueft.report.content import Content


def render(content: Content) -> str:
    """Return the page.

    Every text is escaped but the drawings, which `plot.to_svg` has escaped. Should a text of the data nevertheless
    become markup, the page's policy lets no script run but its own, known by its hash, and no request leave.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("glueft.report", "page"),
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = importlib.resources.files("glueft.report") / "page"
    script, style = (page.joinpath(name).read_text("utf-8") for name in ("filter.js", "style.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # matplotlib's SVG has style attributes. `data:` is the empty icon, for which browsers else ask the server.
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    template = environment.get_template("report.html")
    text = template.render(content=content, policy=policy, script=script, style=style).lstrip() + "\n"
    return without_secrets(text)
