"""Whether a difference of two runs is significant, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.comparison.bootstrap import Difference
from glueft.comparison.mcnemar import McNemar
from glueft.metrics.bootstrap import LEVEL
from glueft.text import counted, score_text

if TYPE_CHECKING:
    from glueft.plugin.metric import Metric

# Coverage of the 95 % interval, measured on drawn rows, 600 intervals each. Difference of Pearson correlations: 86 to
# 98 % for 6 to 20 rows (mostly about 90), 91 to 94 % from 30 rows, 93 to 94 % from 100. Difference of F1: 75 % for 30
# rows of which one or two differed, 94 % from 100 rows.
FEWEST_ROWS = 30
# If two runs are equally good, five differing rows all go the same way with probability 1/16 (two-sided), above 5 %:
# fewer than six can show nothing, whatever the resamples give.
FEWEST_DIFFERING = 6


@dataclass(frozen=True)
class Verdict:
    """The conclusion on one metric.

    Attributes:
        kind: "same", "better", "worse", or "no_difference" (none that these rows can show).
        sentence: for people.
    """

    kind: str
    sentence: str


@dataclass(frozen=True)
class Pair:
    """Two runs on the same rows.

    Attributes:
        first: the name of the first.
        rows: how many there are.
        differing: the rows with different predictions.
        comparisons: how many pairs are compared at once.
    """

    first: str
    rows: int
    differing: int
    comparisons: int


def verdict(
    pair: Pair, metric: Metric | type[Metric], difference: Difference, test: McNemar | None, title: str
) -> Verdict:
    """Return the conclusion.

    A difference is claimed if the interval excludes 0, at a level of 1 - 0.05 / comparisons (Bonferroni), and if
    McNemar's exact test agrees.

    Args:
        pair: the runs.
        metric: what the difference is of.
        difference: the other run less the first.
        test: McNemar's, for a metric that is the share of right rows; None for other metrics.
        title: the name of the metric that people are shown.
    """
    if not pair.differing:
        return Verdict("same", f"{title} is the same, for every row has the same prediction")
    doubt = _doubt(pair, difference, test)
    if doubt is None:
        kind = "better" if (difference.difference > 0) == metric.higher_is_better else "worse"
        return Verdict(kind, f"{kind} than {pair.first} in {title}, by {score_text(abs(difference.difference))}")
    return Verdict("no_difference", f"no difference in {title} that {counted(pair.rows, 'row')} can show{doubt}")


def significant(p: float) -> str:
    """Write a p-value with two significant digits, and a very small one as a bound: `p = 0.86`, `p < 0.0001`."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _doubt(pair: Pair, difference: Difference, test: McNemar | None) -> str | None:
    """Why no difference can be claimed, as the end of a sentence, "" if the interval holds 0; None if one can be."""
    alpha = 1 - LEVEL
    if _holds_zero(difference.interval()):
        return ""
    if pair.differing < FEWEST_DIFFERING:
        return f": the two differ on {pair.differing} of them, and fewer than {FEWEST_DIFFERING} can show nothing"
    if test is None and pair.rows < FEWEST_ROWS:
        return f": fewer than {FEWEST_ROWS} rows are too few to trust the interval"
    if test is not None and test.p >= alpha:
        return ": the interval leaves out 0 and the exact test does not agree, so it is too close to call"
    if _holds_zero(difference.interval(1 - alpha / pair.comparisons)) or (
        test is not None and test.p * pair.comparisons >= alpha
    ):
        return f": by itself it could be claimed, as one of {pair.comparisons} comparisons it could be chance"
    return None


def _holds_zero(interval: tuple[float, float]) -> bool:
    # Differences that are 0 may be off by the last digit.
    return interval[0] <= 1e-12 and interval[1] >= -1e-12
