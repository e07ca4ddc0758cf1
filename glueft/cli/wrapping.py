"""Texts that a terminal would break within words; elsewhere each stays one line, for `grep` and the like."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

from glueft.text import printable_line, say


def terminal_width() -> int | None:
    """Return the columns of standard output; None if it is no terminal."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return shutil.get_terminal_size().columns


def say_wrapped(text: str, hanging: int = 0) -> None:
    """Print a text, broken between words where it is longer than the terminal is wide.

    Args:
        text: one line.
        hanging: columns of spaces before the second line, and before all further ones.
    """
    shown, width = printable_line(text), terminal_width()
    if width is None or len(shown) <= width:
        say(shown)
        return
    # The beginning is kept as it is, with the spaces in it: names in columns.
    begin, rest = shown[:hanging], shown[hanging:]
    room = max(20, width - hanging)
    first, *others = textwrap.wrap(rest, room, break_long_words=False, break_on_hyphens=False)
    indented = len(rest) - len(rest.lstrip())
    say(begin + " " * indented + first, *(" " * hanging + line for line in others))


def say_paragraphs(text: str) -> None:
    """Print paragraphs with their lines joined and broken anew, on a terminal; elsewhere as they are."""
    if terminal_width() is None:
        say(*text.split("\n"))
        return
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            say()
        lines = paragraph.split("\n")
        plain = not any(line.startswith((" ", "-", "*")) for line in lines)  # no list and no code
        for line in [" ".join(lines)] if plain else lines:
            say_wrapped(line, len(line) - len(line.lstrip()))
