"""What may be said of the difference between two studies: one sentence a task, on average, and what to know."""

from __future__ import annotations

from collections.abc import Sequence

from glueft.studies.comparison.difference import Difference
from glueft.studies.tables.statistics import FEWEST_FOR_ORDER, LEVEL, ORDER, Interval, almost_stochastic_order
from glueft.text import score_text


def verdict(
    found: Difference,
    scores: Sequence[Sequence[float]] | None,
    *,
    doubt: str = "",
    comparisons: int = 1,
    lower: bool = False,
) -> tuple[str, str]:
    """Return what the numbers allow to say: a word for programs, and the sentence.

    Args:
        found: the difference.
        scores: of the runs of A and of B, for the stochastic order.
        doubt: which runs have collapsed.
        comparisons: how many are made at once: a difference is claimed at a level of 1 - 0.05 / comparisons
            (Bonferroni).
        lower: whether the smaller score is the better one.
    """
    apart = score_text(found.difference, signed=True)
    if not found.knows_seeds:
        return "unknown", (
            f"B less A is {apart}; one run of a side does not tell what other seeds would give, and nothing can be "
            "claimed"
        )
    interval = found.interval()
    if interval is None:
        same = found.difference == 0
        return (
            ("no_difference", "every run has the same score")
            if same
            else (
                "unknown",
                f"B less A is {apart}; the runs of each have one and the same score, which tells no interval",
            )
        )
    measured = f"{apart}, 95 % interval {_signed(interval)}"
    if interval[0] <= 0 <= interval[1]:
        return "no_difference", f"no difference between A and B that these runs can show (B less A is {measured})"
    kind = "better" if (found.difference > 0) != lower else "worse"
    if doubt:
        return "no_difference", (
            f"B looks {kind} than A ({measured}), but {doubt}: with so few runs the interval is not to be relied on"
        )
    strict = found.interval(1 - (1 - LEVEL) / comparisons)
    if strict is None or strict[0] <= 0 <= strict[1]:
        return "no_difference", (
            f"B looks {kind} than A ({measured}); by itself that could be claimed, as one of {comparisons} comparisons "
            "it could be chance"
        )
    return kind, f"B is {kind} than A ({measured}){_order_words(scores, lower)}"


def _order_words(scores: Sequence[Sequence[float]] | None, lower: bool) -> str:
    if scores is None or min(map(len, scores)) < FEWEST_FOR_ORDER:
        return ""
    for name, bound in order(*scores, lower=lower).items():
        if bound < ORDER:
            return f"; {name} is almost stochastically better (bound {bound:.2f})"
    return "; neither is almost stochastically better"


def order(first: Sequence[float], other: Sequence[float], *, lower: bool) -> dict[str, float]:
    """Return for each study the bound on how far it is from being better at every quantile."""
    return {
        "A": almost_stochastic_order(first, other, lower_is_better=lower),
        "B": almost_stochastic_order(other, first, lower_is_better=lower),
    }


def _signed(interval: Interval) -> str:
    return f"{score_text(interval[0], signed=True)} to {score_text(interval[1], signed=True)}"
