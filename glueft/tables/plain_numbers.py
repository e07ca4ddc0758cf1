"""Texts that are plainly numbers: what everybody writes, not all that Python reads."""

from __future__ import annotations

import math
import re


def plain_number(name: str) -> float | None:
    """The number that a text plainly is, spaces around it aside; None for any other, such as "nan", "1_0" or "1,5"."""
    if not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", name, re.ASCII):
        return None
    value = float(name)
    return value if math.isfinite(value) else None
