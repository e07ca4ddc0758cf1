"""Wilson's interval of a share."""

from __future__ import annotations

import math

# The standard normal distribution has 95 % of its weight within so many standard deviations.
Z_95 = 1.959964


def wilson(hits: float, rows: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of independent rows; (0, 1) of no rows.

    Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference". Unlike the bootstrap's it has
    a width where all rows or none are hits: Brown, Cai and DasGupta, 2001, "Interval Estimation for a Binomial
    Proportion".
    """
    if not rows:
        return 0.0, 1.0
    share, weight = hits / rows, Z_95**2 / rows
    middle = (share + weight / 2) / (1 + weight)
    half = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return max(0.0, middle - half), min(1.0, middle + half)
