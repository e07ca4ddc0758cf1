"""Whether [decision] of a recipe fits its task: as far as the recipe tells, and once the rows are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from glueft.metrics import known_metrics
from glueft.plugin.metric import Metric
from glueft.plugin.suits import Predicts
from glueft.plugin.task import Task
from glueft.recipe.sections import Decision
from glueft.recipe.values import as_toml
from glueft.suggest import did_you_mean
from glueft.text import quoted


class Misfit(NamedTuple):
    """A key of [decision] that does not fit, in the words of an error."""

    key: str
    message: str
    expected: str
    fix: str


def misfits(decision: Decision, task: Task, predicts: Predicts | None) -> Iterator[Misfit]:
    """Yield what does not fit.

    Args:
        decision: the section.
        task: its labels may not be known yet.
        predicts: what it predicts; None where that is not known yet either.
    """
    if predicts == "scores":
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
            f"no threshold is tuned for it: threshold is {as_toml(decision.threshold)}",
            'threshold = "tuned" beside it',
            'add threshold = "tuned", or remove metric',
        )
    if decision.threshold == Decision().threshold:
        return
    if predicts == "multi_label":
        yield from _multi_label_misfits(decision, task)
    elif isinstance(decision.threshold, dict) and predicts is not None:
        yield Misfit(
            "threshold",
            f'task "{task.name}" gives a row one label, and thresholds by label are for multi-label tasks',
            "a number, or a task whose rows have any number of labels",
            "give the probability from which on a row gets the positive label, as in threshold = 0.3",
        )
    elif task.labels and len(task.labels) != 2:
        yield Misfit(
            "threshold",
            f'task "{task.name}" has {len(task.labels)} labels, and a threshold is between two',
            "a task with two labels",
            "remove threshold: the most probable label is given",
        )
    elif decision.threshold == "tuned":
        yield from _metric_misfits(decision, task)


def _multi_label_misfits(decision: Decision, task: Task) -> Iterator[Misfit]:
    if isinstance(decision.threshold, dict):
        unknown = [label for label in decision.threshold if task.labels and label not in task.labels]
        for label in unknown:
            hint = did_you_mean(label, task.labels).strip()
            yield Misfit(
                "threshold",
                f'task "{task.name}" has no label {quoted(label)}',
                f"labels of the task: {', '.join(map(quoted, task.labels))}",
                hint or "correct the name",
            )
    elif decision.threshold == "tuned":
        yield from _metric_misfits(decision, task)


def _metric_misfits(decision: Decision, task: Task) -> Iterator[Misfit]:
    known = known_metrics()
    name = decision.tuned_for(task)
    if name not in known:
        return
    suiting = [other for other, one in known.items() if _reason(one, task) is None]
    reason = _reason(known[name], task)
    if reason is not None:
        whose = "" if decision.metric else f", the primary one of {task.name},"
        yield Misfit(
            "metric",
            f"the metric {quoted(name)}{whose} {reason}",
            f"one of {', '.join(suiting)}",
            'name the one that the threshold is to be tuned for, as in metric = "f1"',
        )


def _reason(metric: type[Metric], task: Task) -> str | None:
    """Why no threshold can be tuned for a metric, in a multi-label task of each label by itself; None if one can."""
    if task.multi_label and metric.fits(2, multi_label=True):
        return "is of all labels together, and the threshold of each is tuned by itself"
    if not metric.fits(2):
        return "is not one of two labels"
    return "is of the probabilities, and no threshold changes it" if metric.takes_probabilities else None
