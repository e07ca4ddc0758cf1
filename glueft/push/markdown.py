"""Texts from outside as Markdown that shows them unchanged."""

from __future__ import annotations

import html
import re

from glueft.text import epoch_text, printable_line, score_text


def number(value: object) -> str:
    """Return a metric to four digits, or "" where there is none."""
    return score_text(value) if isinstance(value, (int, float)) else ""


def escaped(text: object) -> str:
    """Return a text with the marks of Markdown and HTML escaped, for a line or a cell."""
    plain = html.escape(_line(text), quote=False)
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", plain)


def _line(text: object) -> str:
    """A text on one line; invisible characters are written out, as on a terminal."""
    return printable_line(" ".join(str(text).split()))


def code(text: object) -> str:
    """Return a text as code, for a line or a cell."""
    line = _line(text)
    if line and not re.search(r"[`|]", line):
        return f"`{line}`"
    # Within code a backslash is shown, so what would end the code or the cell is written by its number.
    return f"<code>{re.sub('[^a-zA-Z0-9 ]', lambda found: f'&#{ord(found[0])};', line)}</code>"


FILTERS = {"code": code, "epoch_text": epoch_text, "escaped": escaped, "number": number, "grouped": "{:,}".format}
