"""The contract of a task: of its class, and of a task made with options."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from glueft.errors import PluginError
from glueft.plugin.metric import check_metric_names
from glueft.plugin.suits import kinds_of
from glueft.plugin.task import Submission, Task

# A file in the top folder of a submission: no path, no character that a system would refuse.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.tsv")
UNWRITABLE = re.compile(r"[\t\r\n]")

# What a task may set on itself in `__init__`, depending on its options; evaluate and predict set some of it again.
_MAY_DEPEND = (
    "hub", "inputs", "labels", "metrics", "multi_label", "positive_label", "score_range", "sizes", "submission", "tsv",
)  # fmt: skip
_SET_IT = "def __init__(self, options=None): super().__init__(options); self.labels = ..."


def task_breach(task: type[Task] | Task) -> str | None:
    """How a task breaks the contract: its class, or one made with options, which may set other labels on itself."""
    cls = task if isinstance(task, type) else type(task)
    where = f"class {cls.__name__}"
    computed = next((name for name in _MAY_DEPEND if isinstance(getattr(cls, name, None), property)), None)
    if computed:
        return f"{where} has a property `{computed}`; set what depends on an option on the task itself: {_SET_IT}"
    inputs = getattr(task, "inputs", None)
    if not _names(inputs) or len(inputs) not in (1, 2):
        return f'{where} needs `inputs`, a tuple of one or two different column names such as ("sentence",)'
    if "label" in inputs:
        return f'{where} has "label" among its `inputs`: the name is that of the column with the labels'
    if not _names(task.labels) or len(task.labels) == 1:
        return f"{where} needs `labels`, a tuple of two or more different names, or () for regression"
    if not _names(task.metrics) or not (task.metrics or task.reads_own_files):
        return f'{where} needs `metrics`, a tuple of names such as ("accuracy",)'
    reason = _multi_label_breach(where, task)
    if reason:
        return reason
    if task.positive_label is not None and task.labels and task.positive_label not in task.labels:
        return f"the `positive_label` of {where}, {task.positive_label!r}, is none of its `labels`"
    if task.score_range is not None and (task.labels or not _is_range(task.score_range)):
        return f"the `score_range` of {where} must be two numbers, the least score and the greatest, of a regression"
    if task.tsv is not None and not {*inputs, "label"} <= set(task.tsv.columns):
        missing = ", ".join(sorted({*inputs, "label"} - set(task.tsv.columns)))
        return f"the `tsv` layout of {where} does not say in which column to find {missing}"
    if task.tsv is not None and task.tsv.label_text is not None and task.labels:
        reason = _label_text_breach(where, task.labels, task.tsv.label_text)
        if reason:
            return reason
    if task.sample is not None and task.tsv is None and cls.load is Task.load:
        return f"{where} has a `sample` and nothing to read it by: it needs a `tsv` layout, or its own `load`"
    if task.hub is None and task.tsv is None and cls.load is Task.load:
        return f"{where} needs a `hub` data set, a `tsv` layout or its own `load`: its rows cannot be found"
    return _submission_breach(f"the `submission` of {where}", task)


def _multi_label_breach(where: str, task: type[Task] | Task) -> str | None:
    """What `multi_label` does not go with."""
    if not isinstance(task.multi_label, bool):
        return f"{where} needs as `multi_label` True or False, and has {task.multi_label!r}"
    if not task.multi_label:
        return None
    if not (task.labels or task.reads_own_files or isinstance(task, type)):
        return f"{where} sets `multi_label` and needs `labels`, a tuple of two or more different names"
    for key, why in (
        ("positive_label", "no label is the positive one where a row may have any number of them"),
        ("submission", "a benchmark's files have one label a row"),
        ("tsv", "a benchmark's own files have one label a row: it needs a `hub` data set, or its own `load`"),
    ):
        if getattr(task, key) is not None:
            return f"{where} sets `multi_label` and `{key}`: {why}"
    return None


def metrics_breach(task: type[Task] | Task, classes: Callable[[str], Mapping[str, type[Any]]]) -> str | None:
    """How a task's metrics break the contract: one does not exist, or does not suit the labels.

    Args:
        task: a class, or a task made with options.
        classes: gives the classes of a kind of plugin, by name.
    """
    # Once it is made, a task may have metrics for labels that it has yet to learn from files of its own.
    if not isinstance(task, type) and task.reads_own_files and not task.labels:
        return None
    try:
        check_metric_names(
            task.name, task.metrics, classes("metric"), labels=len(task.labels), multi_label=task.multi_label
        )
    except PluginError as error:
        return f"{error.message}: {error.received}; expected {error.expected}; {error.fix}"
    return None if isinstance(task, type) else _default_loss_breach(task, classes("loss"))


def _default_loss_breach(task: Task, known: Mapping[str, type[Any]]) -> str | None:
    """How the loss that a task chooses itself breaks the contract."""
    if type(task).default_loss is Task.default_loss:
        return None
    name = task.default_loss()
    suiting = [other for other, loss in known.items() if task.predicts in kinds_of(loss.suits)]
    if name in suiting:
        return None
    return f"the `default_loss` of class {type(task).__name__} must be one of {', '.join(suiting)}, and is {name!r}"


def _is_range(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    numbers = all(isinstance(score, int | float) and math.isfinite(score) for score in value)
    return numbers and value[0] < value[1]


def _label_text_breach(where: str, labels: Sequence[str], texts: Sequence[str]) -> str | None:
    """`label_text` has a text for each label, in the order of `labels`."""
    if len(texts) != len(labels):
        return f"the `label_text` of {where} has {len(texts)} texts, and its `labels` are {len(labels)}"
    plain = ([text.casefold() for text in texts], [label.casefold() for label in labels])
    if plain[0] != plain[1] and sorted(plain[0]) == sorted(plain[1]):
        return (
            f"the `label_text` of {where} has the labels in another order ({', '.join(texts)}) than its `labels` "
            f"({', '.join(labels)}): every row would get another label's name"
        )
    return None


def _submission_breach(where: str, task: type[Task] | Task) -> str | None:
    submission = task.submission
    if submission is None:
        return None
    if not isinstance(submission, Submission):
        return f"{where} is {submission!r}; it must be a glueft.Submission, or None"
    if not isinstance(submission.benchmark, str) or not submission.benchmark.strip():
        return f'{where} does not name its benchmark, as "GLUE"'
    if submission.average not in ("counted", "optional", "not counted"):
        return f'{where} needs as `average` "counted", "optional" or "not counted", and has {submission.average!r}'
    return _files_breach(where, task, submission) or _content_breach(where, task, submission)


def _files_breach(where: str, task: type[Task] | Task, submission: Submission) -> str | None:
    names = list(submission.files.values())
    if not names or len(set(names)) < len(names) or not all(FILE_NAME.fullmatch(str(name)) for name in names):
        return f'{where} needs `files`, a file name such as "MRPC.tsv" for each split, and has {submission.files!r}'
    strange = [split for split in submission.files if split not in task.test_splits]
    if strange:
        return f"{where} names the split {strange[0]!r}, which is not among its `test_splits`"
    uncounted = [split for split in submission.files if split not in task.sizes]
    if uncounted:
        return f"{where} needs `sizes[{uncounted[0]!r}]`, the rows that the benchmark expects"
    return None


def _content_breach(where: str, task: type[Task] | Task, submission: Submission) -> str | None:
    majority, text, bounds = submission.majority, submission.label_text, submission.score_range
    if not task.labels:
        lowest, highest = bounds or (-math.inf, math.inf)
        if isinstance(majority, str) or not math.isfinite(majority) or not lowest <= majority <= highest:
            return f"{where} needs as `majority` a score that may be uploaded, and has {majority!r}"
        return None
    if bounds is not None:
        return f"{where} has a `score_range`, and its task has labels"
    if majority not in task.labels:
        return f"{where} needs as `majority` one of its `labels` ({', '.join(task.labels)}), and has {majority!r}"
    written = dict.fromkeys(task.labels) | dict(text or {label: label for label in task.labels})
    if set(written) != set(task.labels) or len(set(written.values())) < len(task.labels) or None in written.values():
        return f"{where} needs as `label_text` a text of its own for each of {', '.join(task.labels)}, and has {text!r}"
    if any(not words or UNWRITABLE.search(words) for words in map(str, written.values())):
        return f"{where} would write a label that is empty or holds a tab or a line end: {written!r}"
    return None


def _names(value: Any) -> TypeGuard[tuple[str, ...]]:
    """Whether this is a tuple of distinct, non-empty texts; the tuple may be empty."""
    if not isinstance(value, tuple) or len(set(map(repr, value))) != len(value):
        return False
    return all(isinstance(name, str) and name for name in value)
