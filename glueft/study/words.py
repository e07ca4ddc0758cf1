"""How a study's settings and counts are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glueft.text import counted, printable_line

# In the order in which they are counted up.
STATES = ("done", "running", "failed", "pruned", "waiting")


def setting_text(setting: Mapping[str, Any]) -> str:
    """Return what a study changes in a recipe, keys by their last part: `initial_learning_rate=2e-05, epochs=3`."""
    return ", ".join(f"{printable_line(key.rpartition('.')[2])}={value_text(value)}" for key, value in setting.items())


def value_text(value: Any) -> str:
    """Return a value of a setting as a recipe writes it, a text without quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable_line(value)


def counts_text(counts: Mapping[str, int]) -> str:
    """Return `40 runs: 12 done, 2 running, 26 waiting`; 0 is not named."""
    named = [f"{counts[state]:,} {state}" for state in STATES if counts.get(state)]
    return f"{counted(sum(counts.values()), 'run')}: {', '.join(named)}" if named else "no runs"
