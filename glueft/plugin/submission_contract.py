"""What a task's `submission` must keep to: checked with the rest of the plugin, long before anything is uploaded."""

from __future__ import annotations

import math
import re

from glueft.plugin.base import Submission, Task

# A file of the upload's top folder: no path, nothing that a system would refuse.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.tsv")
UNWRITABLE = re.compile(r"[\t\r\n]")


def submission_breach(task: type[Task] | Task) -> str | None:
    """Return, in one sentence without a full stop, what is wrong with a task's `submission`; None if nothing is."""
    submission, whose = task.submission, f"the `submission` of class {_class_name(task)}"
    if submission is None:
        return None
    if not isinstance(submission, Submission):
        return f"{whose} is {submission!r}; it must be a glueft.Submission, or None"
    if not isinstance(submission.benchmark, str) or not submission.benchmark.strip():
        return f'{whose} does not name its benchmark, as "GLUE"'
    return _files_breach(whose, task, submission) or _content_breach(whose, task, submission)


def _files_breach(whose: str, task: type[Task] | Task, submission: Submission) -> str | None:
    names = list(submission.files.values())
    if not names or len(set(names)) < len(names) or not all(FILE_NAME.fullmatch(str(name)) for name in names):
        return f'{whose} needs `files`, a file name such as "MRPC.tsv" for each split, and has {submission.files!r}'
    strange = [split for split in submission.files if split not in task.test_splits]
    if strange:
        return f"{whose} names the split {strange[0]!r}, which is not among its `test_splits`"
    uncounted = [split for split in submission.files if split not in task.sizes]
    if uncounted:
        return f"{whose} needs `sizes[{uncounted[0]!r}]`, the rows that the benchmark expects"
    return None


def _content_breach(whose: str, task: type[Task] | Task, submission: Submission) -> str | None:
    majority, text, bounds = submission.majority, submission.label_text, submission.score_range
    if not task.labels:
        lowest, highest = bounds or (-math.inf, math.inf)
        if isinstance(majority, str) or not math.isfinite(majority) or not lowest <= majority <= highest:
            return f"{whose} needs as `majority` a score that may be uploaded, and has {majority!r}"
        return None
    if bounds is not None:
        return f"{whose} has a `score_range`, and its task has labels"
    if majority not in task.labels:
        return f"{whose} needs as `majority` one of its `labels` ({', '.join(task.labels)}), and has {majority!r}"
    written = dict.fromkeys(task.labels) | dict(text or {label: label for label in task.labels})
    if set(written) != set(task.labels) or len(set(written.values())) < len(task.labels) or None in written.values():
        return f"{whose} needs as `label_text` a text of its own for each of {', '.join(task.labels)}, and has {text!r}"
    if any(not words or UNWRITABLE.search(words) for words in map(str, written.values())):
        return f"{whose} would write a label that is empty or holds a tab or a line end: {written!r}"
    return None


def _class_name(task: type[Task] | Task) -> str:
    return (task if isinstance(task, type) else type(task)).__name__
