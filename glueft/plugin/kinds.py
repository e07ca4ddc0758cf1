"""The kinds of plugin, a row each: all that the framework knows of a kind beside its base class and its hook.

The registry, the contract, `glueft list`, `describe`, `plugin new` and `plugin check` go by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.callback import Callback
from glueft.plugin.encoder import Encoder, encoder_breach
from glueft.plugin.executor import Executor
from glueft.plugin.loss import Loss, loss_breach
from glueft.plugin.metric import Metric, metric_breach
from glueft.plugin.optimizer import Optimizer
from glueft.plugin.schedule import Schedule
from glueft.plugin.task import Task
from glueft.plugin.task_contract import metrics_breach, task_breach

Classes = Callable[[str], Mapping[str, type[Any]]]


@dataclass(frozen=True)
class Kind:
    """One kind of plugin.

    Attributes:
        base: the base class; its `kind` is the name.
        hook: the hook that returns a list of such classes, `glueft_` and the name in the plural.
        table: the table of a recipe that names plugins of the kind; None if no table is theirs.
        methods: what a class must define, because the base class has no more than its signature.
        builds: the Keras class that `build` must return an object of; None for a kind that builds none.
        check: returns in one sentence how a class of the kind, or a plugin made with options, breaks the contract in
            some other way, and None if it keeps it. None for no such check.
        fits: the same of what is known only once all plugins are found, such as whether a task's metrics exist. Its
            second argument gives the classes of a kind by name.
    """

    base: type[Plugin]
    hook: str
    table: str | None = None
    methods: tuple[str, ...] = ()
    builds: str | None = None
    check: Callable[[Any], str | None] | None = None
    fits: Callable[[Any, Classes], str | None] | None = None

    @property
    def name(self) -> str:
        """What users call the kind: "task"."""
        return self.base.kind

    @property
    def plural(self) -> str:
        """The same of several: "tasks"."""
        return self.hook.removeprefix("glueft_")

    @property
    def with_article(self) -> str:
        """ "a task", "an optimizer"."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


_ROWS = (
    Kind(Task, "glueft_tasks", "task", check=task_breach, fits=metrics_breach),
    Kind(Optimizer, "glueft_optimizers", "optimizer", ("build",), "keras.optimizers.Optimizer"),
    Kind(Schedule, "glueft_schedules", "schedule", ("build",), "keras.optimizers.schedules.LearningRateSchedule"),
    Kind(Loss, "glueft_losses", "loss", ("build",), "keras.losses.Loss", check=loss_breach),
    Kind(Callback, "glueft_callbacks", "callbacks", ("build",), "keras.callbacks.Callback"),
    Kind(Metric, "glueft_metrics", methods=("value",), check=metric_breach),
    Kind(
        Encoder,
        "glueft_encoders",
        methods=("read_config", "tensors", "build_encoder", "build_head"),
        check=encoder_breach,
    ),
    Kind(Executor, "glueft_executors", methods=("open",)),
)
KINDS = {kind.name: kind for kind in _ROWS}
"""Every kind by its name, in the order in which users see them."""


def base_names() -> str:
    """The base classes for a message: "glueft.Task, Optimizer, ... or Encoder"."""
    return f"glueft.{one_of([kind.base.__name__ for kind in _ROWS])}"


def one_of(names: Iterable[str]) -> str:
    """Names for a message: "task, optimizer, schedule or callback"."""
    *others, final = names
    return f"{', '.join(others)} or {final}"
