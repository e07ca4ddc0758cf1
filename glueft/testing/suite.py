"""Which checks each kind of plugin has, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.kinds import KINDS, base_names
from glueft.testing import common_checks
from glueft.testing.check import Check
from glueft.testing.subject import Subject

Work = Callable[[Subject], str]


def checks(plugin: type[Plugin], options: Mapping[str, Any] | None, data_dir: str | Path | None) -> list[Check]:
    """Every check of a plugin; see `glueft.testing.checks`.

    Raises:
        TypeError: it is not the class of a plugin.
    """
    if not isinstance(plugin, type) or not issubclass(plugin, tuple(kind.base for kind in KINDS.values())):
        raise TypeError(f"a class derived from {base_names()} is checked, not {plugin!r}")
    subject = Subject(plugin, options or {}, None if data_dir is None else Path(data_dir))
    common = [
        Check("name", subject, common_checks.name),
        Check("docstring", subject, common_checks.docstring),
        Check("options", subject, common_checks.options),
        Check("declaration", subject, common_checks.declaration),
        Check("light import", subject, common_checks.light_import),
    ]
    of_kind = {"task": _task, "optimizer": _optimizer, "schedule": _schedule, "callback": _callback}
    return common + (of_kind[plugin.kind](subject) if plugin.kind in of_kind else [])


def _task(subject: Subject) -> list[Check]:
    from glueft.testing import bad_rows, learning, task_checks

    data, all_of_keras = ("datasets",), ("datasets", "keras", "transformers")
    return [
        Check("offline load", subject, task_checks.offline_load, data),
        Check("labels", subject, task_checks.labels, data, needs_rows=True),
        Check("pair order", subject, task_checks.pair_order, data, needs_rows=True),
        Check("metrics", subject, task_checks.metrics, ("evaluate", "sklearn"), needs_rows=True),
        Check("same rows", subject, task_checks.same_rows, data, needs_rows=True),
        Check("bad rows", subject, bad_rows.bad_rows, data, needs_rows=True),
        Check("learns", subject, learning.learns, all_of_keras, needs_rows=True),
    ]


def _optimizer(subject: Subject) -> list[Check]:
    from glueft.testing import optimizer_checks

    return [
        Check("builds", subject, optimizer_checks.builds, ("keras",)),
        Check("lowers a loss", subject, optimizer_checks.lowers_a_loss, ("keras",)),
        Check("is saved", subject, optimizer_checks.is_saved, ("keras",)),
    ]


def _schedule(subject: Subject) -> list[Check]:
    from glueft.testing import schedule_checks

    return [
        Check("builds", subject, schedule_checks.builds, ("keras",)),
        Check("rates", subject, schedule_checks.rates, ("keras",)),
        Check("whole run", subject, schedule_checks.whole_run, ("keras",)),
        Check("is saved", subject, schedule_checks.is_saved, ("keras",)),
    ]


def _callback(subject: Subject) -> list[Check]:
    from glueft.testing import callback_checks

    return [Check("builds", subject, callback_checks.builds, ("keras", "transformers"))]
