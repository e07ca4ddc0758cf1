"""What a plugin class must keep to, checked when it is found, so that its author learns of a slip at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, MutableMapping, MutableSequence, MutableSet, Sequence
from typing import Any, TypeGuard

from glueft.errors import PluginError
from glueft.metrics import check_metrics
from glueft.plugin.base import Callback, Optimizer, Options, Plugin, Schedule, Task
from glueft.plugin.submission_contract import submission_breach

BASES: dict[str, type[Plugin]] = {"task": Task, "optimizer": Optimizer, "schedule": Schedule, "callback": Callback}
HOOK_OF_KIND = {kind: f"glueft_{kind}s" for kind in BASES}
NAME = re.compile(r"[a-z][a-z0-9_-]*")


def breach(kind: str, cls: Any) -> str | None:
    """Return, in one sentence without a full stop, how a class breaks the contract of its kind; None if it keeps it.

    Args:
        kind: "task", "optimizer", "schedule" or "callback".
        cls: what the plugin's hook returned in its list.
    """
    base = BASES[kind]
    if isinstance(cls, Plugin):
        name = type(cls).__name__
        return f"{HOOK_OF_KIND[kind]} must return classes, and gives an object of one: return [{name}], not [{name}()]"
    if not isinstance(cls, type):
        return f"{HOOK_OF_KIND[kind]} must return classes, and {_short(cls)} is not one"
    if not issubclass(cls, base):
        return f"class {cls.__name__} is not a glueft.{base.__name__}, as {HOOK_OF_KIND[kind]} must return"
    return next(filter(None, (part(cls) for part in PARTS.values())), None)


def name_breach(cls: type[Plugin]) -> str | None:
    """How the class's `name` breaks the contract; None if it keeps it. Likewise the other parts below."""
    name = getattr(cls, "name", None)
    if isinstance(name, str) and NAME.fullmatch(name):
        return None
    return (
        f'{_where(cls)} needs a `name` of lower-case letters, digits, "_" and "-", a letter first, '
        f"and has {'none' if name is None else _short(name)}"
    )


def docstring_breach(cls: type[Plugin]) -> str | None:
    """The first line of the docstring is what users see."""
    if cls.description():
        return None
    return f"{_where(cls)} needs a docstring: its first line is the description that users see"


def options_breach(cls: type[Plugin]) -> str | None:
    """Options are strict, described, and have defaults that stay what they are."""
    where, options = _where(cls), cls.Options
    if not (isinstance(options, type) and issubclass(options, Options)):
        return f"{where} needs `class Options(glueft.Options)`, and its Options are {_short(options)}"
    wanted = {"extra": "forbid", "strict": True}
    loosened = [
        f"{key}={options.model_config.get(key)!r}" for key in wanted if options.model_config.get(key) != wanted[key]
    ]
    if loosened:
        return f"the Options of {where} must stay strict and refuse unknown keys; they set {', '.join(loosened)}"
    silent = [name for name, field in options.model_fields.items() if not (field.description or "").strip()]
    if silent:
        return f"every option needs a description, and {where} gives none for {', '.join(silent)}"
    changeable = _changeable_default(options)
    if changeable:
        return f"an option's default must be a value that cannot be changed; in {where}, {changeable}"
    if "plugin" in options.model_fields:
        return f'{where} has an option "plugin", the key by which a recipe names the plugin itself'
    return None


def _changeable_default(options: type[Options]) -> str | None:
    """The first option whose default is a list or the like: one run that changed it would change the next one's."""
    for name, field in options.model_fields.items():
        if field.default_factory_takes_validated_data:
            continue
        default = field.get_default(call_default_factory=True)
        instead = next((instead for kind, instead in _CHANGEABLE.items() if isinstance(default, kind)), None)
        if instead:
            return f"`{name}` has {_short(default)}: give {instead}"
    return None


_CHANGEABLE = {
    MutableSequence: 'a tuple, as in `words: tuple[str, ...] = glueft.Field((), description="...")`',
    MutableMapping: 'None, as in `words: dict[str, int] | None = glueft.Field(None, description="...")`',
    MutableSet: 'a frozenset, as in `words: frozenset[str] = glueft.Field(frozenset(), description="...")`',
}


def work_breach(cls: type[Plugin]) -> str | None:
    """A task says all that is needed; the other kinds have a `build`."""
    if issubclass(cls, Task):
        return task_breach(cls)
    if cls.build is BASES[cls.kind].build:  # type: ignore[attr-defined]
        return f"{_where(cls)} needs a `build` method"
    return None


PARTS: dict[str, Callable[[type[Plugin]], str | None]] = {
    "name": name_breach,
    "docstring": docstring_breach,
    "options": options_breach,
    "declaration": work_breach,
}


# What a task may set on itself in `__init__`, as its options say; evaluate and predict set some of it anew.
_MAY_DEPEND = ("hub", "inputs", "labels", "metrics", "positive_label", "score_range", "sizes", "submission", "tsv")
_SET_IT = "def __init__(self, options=None): super().__init__(options); self.labels = ..."


def task_breach(task: type[Task] | Task) -> str | None:
    """How a task breaks the contract: its class, or one made with options, which may set other labels on itself."""
    cls = task if isinstance(task, type) else type(task)
    where = _where(cls)
    computed = next((name for name in _MAY_DEPEND if isinstance(getattr(cls, name, None), property)), None)
    if computed:
        return f"{where} has a property `{computed}`; what depends on an option is set on the task itself: {_SET_IT}"
    inputs = getattr(task, "inputs", None)
    if not _names(inputs) or len(inputs) not in (1, 2):
        return f'{where} needs `inputs`, a tuple of one or two different column names such as ("sentence",)'
    if "label" in inputs:
        return f'{where} has "label" among its `inputs`: the name is that of the column with the labels'
    if not _names(task.labels) or len(task.labels) == 1:
        return f"{where} needs `labels`, a tuple of two or more different names, or () for regression"
    if not _names(task.metrics) or not (task.metrics or task.reads_own_files):
        return f'{where} needs `metrics`, a tuple of names such as ("accuracy",)'
    # Once it is made, a task may have metrics for labels that it has yet to learn from files of its own.
    metrics = () if task is not cls and task.reads_own_files and not task.labels else task.metrics
    try:
        check_metrics(cls.name, metrics, labels=len(task.labels))
    except PluginError as error:
        return f"{error.message}: {error.received}; expected {error.expected}; {error.fix}"
    if task.positive_label is not None and task.labels and task.positive_label not in task.labels:
        return f"the `positive_label` of {where}, {_short(task.positive_label)}, is none of its `labels`"
    if task.score_range is not None and (task.labels or not _is_range(task.score_range)):
        return f"the `score_range` of {where} must be two numbers, the least score and the greatest, of a regression"
    if task.tsv is not None and not {*inputs, "label"} <= set(task.tsv.columns):
        missing = ", ".join(sorted({*inputs, "label"} - set(task.tsv.columns)))
        return f"the `tsv` layout of {where} does not say in which column to find {missing}"
    if task.tsv is not None and task.tsv.label_text is not None and task.labels:
        reason = _label_text_breach(where, task.labels, task.tsv.label_text)
        if reason:
            return reason
    if task.sample is not None and task.tsv is None:
        return f"{where} has a `sample` but no `tsv` layout to read it by"
    if task.hub is None and task.tsv is None and cls.load is Task.load:
        return f"{where} needs a `hub` data set, a `tsv` layout or its own `load`: its rows cannot be found"
    return submission_breach(task)


def _is_range(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    numbers = all(isinstance(score, int | float) and math.isfinite(score) for score in value)
    return numbers and value[0] < value[1]


def _label_text_breach(where: str, labels: Sequence[str], texts: Sequence[str]) -> str | None:
    """Labels go by name: what the files write for each of them stands in the order of `labels`."""
    if len(texts) != len(labels):
        return f"the `label_text` of {where} has {len(texts)} texts, and its `labels` are {len(labels)}"
    plain = ([text.casefold() for text in texts], [label.casefold() for label in labels])
    if plain[0] != plain[1] and sorted(plain[0]) == sorted(plain[1]):
        return (
            f"the `label_text` of {where} has the labels in another order ({', '.join(texts)}) than its `labels` "
            f"({', '.join(labels)}): every row would get another label's name"
        )
    return None


def _where(cls: type[Plugin]) -> str:
    return f"class {cls.__name__}"


def _names(value: Any) -> TypeGuard[tuple[str, ...]]:
    """Whether this is a tuple of different, non-empty texts; it may be empty."""
    if not isinstance(value, tuple) or len(set(map(repr, value))) != len(value):
        return False
    return all(isinstance(name, str) and name for name in value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
