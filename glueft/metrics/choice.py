"""`metrics` in a recipe's [task]: metrics in place of the task's own, an option that every task has."""

from __future__ import annotations

import functools
from typing import Annotated, Any

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

    def __reduce__(self) -> tuple[Any, ...]:
        # `Dataset.map` pickles the task of a method; no module holds the class that `options_of` makes.
        return _unpickled, (type(self).__bases__[1], self.__getstate__())


def options_of(plugin: type[Plugin]) -> type[Options]:
    """Return the Options of a plugin's table in a recipe: its own, and of a task `metrics`.

    A task may have an option of that name itself.
    """
    own = plugin.Options
    if not issubclass(plugin, Task) or "metrics" in own.model_fields:
        return own
    return _with_metrics(own)


@functools.cache
def _with_metrics(own: type[Options]) -> type[Options]:
    return type(own.__name__, (MetricOptions, own), {"__doc__": own.__doc__, "__module__": own.__module__})


def _unpickled(own: type[Options], state: dict[Any, Any]) -> Options:
    kind = _with_metrics(own)
    options = kind.__new__(kind)
    options.__setstate__(state)
    return options


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
    if task.labels or task.multi_label or not task.reads_own_files:
        check_metrics(task.name, task.metrics, labels=len(task.labels), multi_label=task.multi_label)
