"""Texts that are plainly numbers: fewer than Python's `float` reads."""

from __future__ import annotations

import math
import re


def plain_number(name: str) -> float | None:
    """Return the number that a text is, spaces around it aside; None for "nan", "1_0", "1,5" and the like."""
    if not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", name, re.ASCII):
        return None
    value = float(name)
    return value if math.isfinite(value) else None
