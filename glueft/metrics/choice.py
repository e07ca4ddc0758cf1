"""`metrics` in a recipe's [task]: metrics in place of the task's own, an option that every task has."""

from __future__ import annotations

from typing import Annotated

import pydantic

from glueft.metrics import MetricName, check_metrics, known_metrics
from glueft.plugin.base import Plugin
from glueft.plugin.options import Options
from glueft.plugin.task import Task


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise ValueError("must be one name or more, each once")
    return names


class MetricOptions(Options):
    """The option."""

    metrics: Annotated[tuple[MetricName, ...], pydantic.AfterValidator(_each_once)] | None = pydantic.Field(
        None, description="Metrics in place of the task's own; the first is the primary one."
    )


def options_of(plugin: type[Plugin]) -> type[Options]:
    """Return the Options of a plugin's table in a recipe: its own, and of a task `metrics`.

    A task may have an option of that name itself.
    """
    own = plugin.Options
    if not issubclass(plugin, Task) or "metrics" in own.model_fields:
        return own
    if own not in _WITH_METRICS:
        about = {"__doc__": own.__doc__, "__module__": own.__module__}
        _WITH_METRICS[own] = type(own.__name__, (MetricOptions, own), about)
    return _WITH_METRICS[own]


_WITH_METRICS: dict[type[Options], type[Options]] = {}


def chosen_metrics(task: Task) -> tuple[str, ...]:
    """Return the metrics that a recipe names in place of the task's own; () if it names none."""
    names, known = getattr(task.options, "metrics", None), known_metrics()
    return names if isinstance(names, tuple) and all(name in known for name in names) else ()


def choose_metrics(task: Task) -> None:
    """Give a task the metrics that its recipe names. Its `load` may have set others; labels may be known since.

    Raises:
        PluginError: one of them does not suit the task's labels.
    """
    task.metrics = chosen_metrics(task) or task.metrics
    if task.labels or not task.reads_own_files:
        check_metrics(task.name, task.metrics, labels=len(task.labels))
