"""Numbers as text with every digit that they hold: whoever reads them back has the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def shortest(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each float32 number the float64 one of the fewest digits that reads back to it: 3.8, not 3.79999995.

    Args:
        scores: (rows,).
    """
    import numpy as np

    # NumPy writes the fewest digits that tell a number from the others of its own precision.
    return np.array([float(str(score)) for score in np.asarray(scores, np.float32)], np.float64)


def score_text(value: float, *, signed: bool = False) -> str:
    """Write a metric or a loss for people: with four decimals, but four digits where it would be 0.0000 or very long.

    Errors and losses have the scale of the labels, which may be any.
    """
    sign = "+" if signed else ""
    return f"{value:{sign}.4f}" if value == 0 or 5e-5 <= abs(value) < 1e7 else f"{value:{sign}.4g}"


def number_text(number: float) -> str:
    """Write a float64 number with the fewest digits that read back to it; a whole one without a point."""
    return repr(float(number)).removesuffix(".0")
