"""The values of ranges, and settings drawn from them at random."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from glueft.studies.definition.study import Range, StudyRecipe

# Learning rates and the like are drawn with so many digits: more change nothing, and make tables hard to read.
_DIGITS = 5
# So many values, and more, remain of a range without steps.
_VALUES = 10 ** (_DIGITS - 1)


def random_settings(study: str, recipe: StudyRecipe, trials: int) -> list[dict[str, Any]]:
    """Return the first settings of a random search, each once; fewer if there are no more.

    Each is a function of the study's name, the recipe's, its number and its ranges alone: more trials keep the earlier
    ones, and another range of one key keeps the values of all others.
    """
    space = space_of(recipe)
    settings: dict[str, dict[str, Any]] = {}
    draws = 0
    while len(settings) < number_of_trials(recipe, trials):
        setting = {key: value_at(range_, _uniform(study, recipe.name, draws, key)) for key, range_ in space.items()}
        settings.setdefault(canonical(setting), setting)
        draws += 1
    return [*settings.values()]


def space_of(recipe: StudyRecipe) -> dict[str, Range]:
    """What is drawn for a recipe: its ranges, and the values of its grid as choices."""
    return {key: Range(choices=tuple(values)) for key, values in recipe.grid.items()} | dict(recipe.ranges)


def number_of_trials(recipe: StudyRecipe, trials: int) -> int:
    """Return how many settings will be drawn: `trials`, or all that there are if those are fewer."""
    return min(trials, math.prod(number_of_values(range_) for range_ in space_of(recipe).values()))


def value_at(range_: Range, part: float) -> Any:
    """Return the value at a part of a range, 0 <= part < 1, measured along its logarithm if it is `log`."""
    if range_.choices:
        return range_.choices[int(part * len(range_.choices))]
    if range_.step is not None:
        return in_steps(range_, int(part * number_of_values(range_)))
    low, high = bounds(range_)
    # A whole number has the part from half below it to half above it.
    edge = 0.5 if range_.whole else 0.0
    first, last = low - edge, high + edge
    value = first * (last / first) ** part if range_.log else first + part * (last - first)
    return in_range(range_, value)


def in_range(range_: Range, value: float) -> Any:
    """Return a number as it stands in a setting: whole, or with few digits, but enough for a narrow range."""
    low, high = bounds(range_)
    if range_.step is not None:
        return in_steps(range_, round((value - low) / range_.step))
    if range_.whole:
        return min(high, max(low, round(value)))
    narrow = max(abs(low), abs(high)) / (high - low) if low < high else 1.0
    digits = _DIGITS + math.floor(math.log10(max(1.0, narrow)))
    return min(high, max(low, float(f"{value:.{digits}g}")))


def in_steps(range_: Range, steps: int) -> Any:
    """Return the number so many steps above the lower end of a range."""
    assert range_.step is not None
    value = bounds(range_)[0] + steps * range_.step
    return round(value) if range_.whole else float(f"{value:.12g}")


def bounds(range_: Range) -> tuple[Any, Any]:
    """Return both ends of a range of numbers."""
    assert range_.low is not None
    assert range_.high is not None
    number = int if range_.whole else float
    return number(range_.low), number(range_.high)


def canonical(setting: Mapping[str, Any]) -> str:
    """Return a setting as JSON; equal settings have equal texts."""
    return json.dumps(setting, sort_keys=True, default=str)


def number_of_values(range_: Range) -> int:
    """Return how many values a range has, or at least has where it has no steps."""
    if range_.choices:
        return len({canonical({"": choice}) for choice in range_.choices})
    low, high = bounds(range_)
    if range_.step is not None:
        return int((high - low) / range_.step + 1e-9) + 1  # 0.3 / 0.1 is 2.9999999999999996
    if range_.whole:
        return int(high) - int(low) + 1
    return _VALUES if low < high else 1


def _uniform(study: str, recipe: str, number: int, key: str) -> float:
    """Return a number from 0 to 1 that looks random, and is the same on every machine and for every version."""
    digest = hashlib.sha256(json.dumps([study, recipe, number, key]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
