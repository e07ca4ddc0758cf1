"""One line of the table: what was measured, the floor below it, and how far the one is from the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rounds import Seconds


@dataclass(frozen=True)
class Result:
    """What one benchmark says.

    Attributes:
        name: what was done.
        value: what was measured, as a reader wants it, with its unit.
        floor: the same of the floor, and what the floor is.
        seconds: of the work in each round.
        floor_seconds: of the floor in each round, measured or counted.
        numbers: further ones for programs, by name.
    """

    name: str
    value: str
    floor: str
    seconds: Seconds
    floor_seconds: Seconds
    numbers: dict[str, float]

    @property
    def ratios(self) -> Seconds:
        """The work's seconds over the floor's, round by round: 1 would be the floor itself."""
        return self.seconds / self.floor_seconds

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {
            "name": self.name,
            "seconds": spread(self.seconds),
            "floor_seconds": spread(self.floor_seconds),
            "ratio": spread(self.ratios),
            **{name: significant(number) for name, number in self.numbers.items()},
        }


def spread(values: Seconds) -> dict[str, float]:
    """Return the median, the least and the greatest."""
    return {
        "median": significant(np.median(values)),
        "min": significant(values.min()),
        "max": significant(values.max()),
    }


def significant(number: float) -> float:
    """Return a number with four significant digits."""
    return float(f"{number:.4g}")
