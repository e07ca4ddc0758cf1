"""How the page writes texts and numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

# XML cannot hold these, and HTML does not show them: control characters, halves of surrogate pairs, non-characters.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# These turn the direction of the text that follows: after a label, that is the page's own sentence.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# A row's text of megabytes would make the page useless.
LONGEST_TEXT = 3000
LONGEST_LABEL = 80
LONGEST_NAME = 16


def visible(text: str) -> str:
    """Replace what cannot be shown: control characters by their pictures, the rest by U+FFFD."""

    def picture(found: re.Match[str]) -> str:
        code = ord(found[0])
        return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"

    return _INVISIBLE.sub(picture, text)


def shown(value: Any) -> Any:
    """Return a value for the template: a text as `visible` has it, without marks of direction; markup stays."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _DIRECTIONS.sub("\ufffd", visible(value)) if is_text else value


def row_text(text: str) -> str:
    """Return a row's text as it is shown; a very long one is cut."""
    if len(text) <= LONGEST_TEXT:
        return visible(text)
    return f"{visible(text[:LONGEST_TEXT])} … ({len(text):,} characters, cut here)"


def label_text(label: str) -> str:
    """Return a label as it is shown: on one line, without marks of direction, not too long."""
    label = _DIRECTIONS.sub("\ufffd", visible(" ".join(re.split(r"[\r\n\t]", label))))
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def label_texts(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels as they are shown, each another: those that are shown alike have their number after them."""
    shown = [label_text(label) for label in labels]
    counts = Counter(shown)
    return tuple(
        text if counts[text] == 1 else f"{text[: LONGEST_LABEL - 10]} (label {number})"
        for number, text in enumerate(shown)
    )


def short(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a name as a plot has room for it."""
    text = label_text(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def percent(share: float) -> str:
    """Return a share as `12.3 %`."""
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Write seconds for a reader: `12.3 s`, `4 min 5 s`, `2 h 7 min`."""
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def listed(words: list[str] | tuple[str, ...]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
