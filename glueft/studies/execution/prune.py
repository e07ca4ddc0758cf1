"""Ends runs of a search early that fall behind the others."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from glueft.studies.definition.study import Prune
from glueft.studies.result import StudyRun
from glueft.text import counted, score_text


def why_prune(run: StudyRun, others: Sequence[StudyRun], prune: Prune, *, lower_is_better: bool) -> str | None:
    """Return why a run of the search is ended before its time; None if it goes on.

    The best score of the run so far is compared with the median of what other settings had reached after the same
    epoch, those that were pruned among them: without these, the median would rise with each.

    Args:
        run: that is going on.
        others: runs of the same recipe; those of the same setting and those without that epoch do not count.
        prune: says from which epoch on, and beside how many other runs.
        lower_is_better: of the score.
    """
    if not run.validations or run.stage != "search" or (run.steps is not None and run.validations[-1][1] >= run.steps):
        return None
    epoch = run.validations[-1][0]
    if epoch < prune.epochs:
        return None
    reached = [
        best
        for other in others
        if other.stage == "search" and other.setting != run.setting
        if (best := _best(other, epoch, lower_is_better)) is not None
    ]
    own = _best(run, epoch, lower_is_better)
    if own is None or len(reached) < prune.runs:
        return None
    middle = median(reached)
    if not (own > middle if lower_is_better else own < middle):
        return None
    return (
        f"{score_text(own)} after epoch {epoch}: "
        f"{'above' if lower_is_better else 'below'} {score_text(middle)}, the median of {counted(len(reached), 'run')}"
    )


def _best(run: StudyRun, epoch: int, lower_is_better: bool) -> float | None:
    """Return the best score up to an epoch; None if the run has not reached it."""
    scores = [score for at, _, score in run.validations if at <= epoch]
    if not any(at == epoch for at, _, _ in run.validations):
        return None
    return min(scores) if lower_is_better else max(scores)
