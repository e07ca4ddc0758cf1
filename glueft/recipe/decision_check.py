"""Whether [decision] of a recipe fits its task: as far as the recipe tells, and once the rows are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from glueft.metrics import known_metrics
from glueft.plugin.task import Task
from glueft.recipe.sections import Decision
from glueft.text import quoted


class Misfit(NamedTuple):
    """A key of [decision] that does not fit, in the words of an error."""

    key: str
    message: str
    expected: str
    fix: str


def misfits(decision: Decision, task: Task, *, scores: bool) -> Iterator[Misfit]:
    """Yield what does not fit.

    Args:
        decision: the section.
        task: its labels may not be known yet.
        scores: whether it is a regression.
    """
    if scores:
        for key in ("threshold", "temperature"):
            if getattr(decision, key) != getattr(Decision(), key):
                yield Misfit(
                    key,
                    f'task "{task.name}" has scores, and no labels to be decided',
                    "a task with labels",
                    f"remove {key}",
                )
        return
    if decision.metric is not None and decision.threshold != "tuned":
        yield Misfit(
            "metric",
            f"no threshold is tuned for it: threshold is {decision.threshold:g}",
            'threshold = "tuned" beside it',
            'add threshold = "tuned", or remove metric',
        )
    if decision.threshold == Decision().threshold:
        return
    if task.labels and len(task.labels) != 2:
        yield Misfit(
            "threshold",
            f'task "{task.name}" has {len(task.labels)} labels, and a threshold is between two',
            "a task with two labels",
            "remove threshold: the most probable label is given",
        )
    elif decision.threshold == "tuned":
        yield from _metric_misfits(decision, task)


def _metric_misfits(decision: Decision, task: Task) -> Iterator[Misfit]:
    known = known_metrics()
    name = decision.metric or (task.metrics[0] if task.metrics else None)
    if name not in known:
        return
    metric = known[name]
    suiting = [other for other, one in known.items() if one.fits(2) and not one.takes_probabilities]
    reason = None
    if not metric.fits(2):
        reason = "is not one of two labels"
    elif metric.takes_probabilities:
        reason = "is of the probabilities, and no threshold changes it"
    if reason is not None:
        whose = "" if decision.metric else f", the primary one of {task.name},"
        yield Misfit(
            "metric",
            f"the metric {quoted(name)}{whose} {reason}",
            f"one of {', '.join(suiting)}",
            'name the one that the threshold is to be tuned for, as in metric = "f1"',
        )
