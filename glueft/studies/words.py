"""How a study's settings and counts are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glueft.text import counted, number_text

# In the order in which they are counted up.
STATES = ("done", "running", "failed", "pruned", "waiting")


def setting_text(setting: Mapping[str, Any], *, rounded: bool = False) -> str:
    """Return what a study changes in a recipe, `initial_learning_rate=2e-05, epochs=3`, or `as in the recipe`.

    A key is written whole where another one ends alike; `rounded` is as for `value_text`.
    """
    ends = [key.rpartition(".")[2] for key in setting]
    named = {key: end if ends.count(end) == 1 else key for key, end in zip(setting, ends, strict=True)}
    parts = (f"{named[key]}={value_text(value, rounded=rounded)}" for key, value in setting.items())
    return ", ".join(parts) or "as in the recipe"


def value_text(value: Any, *, rounded: bool = False) -> str:
    """Return a value of a recipe: a number with the fewest digits, true and false as TOML has them.

    `rounded` leaves 4 digits of a number, for where there is little room: drawn ones have 12.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if rounded and isinstance(value, float):
        return f"{value:.4g}"
    return number_text(value) if isinstance(value, float) else str(value)


def rows_text(split: str) -> str:
    """Return which rows a score is of: `validation matched`, `held-out rows`."""
    return "held-out rows" if split == "held_out" else split.replace("_", " ")


def is_or_are(count: int) -> str:
    """Return the verb for so many things."""
    return "is" if count == 1 else "are"


def counts_text(counts: Mapping[str, int]) -> str:
    """Return `40 runs: 12 done, 2 running, 26 waiting`; 0 is not named."""
    named = [f"{counts[state]:,} {state}" for state in STATES if counts.get(state)]
    return f"{counted(sum(counts.values()), 'run')}: {', '.join(named)}" if named else "no runs"
