"""A task whose `submission` is wrong is told of when it is found."""

from __future__ import annotations

from typing import Any

import pytest

import glueft
from glueft.plugin.contract import breach
from glueft.plugin.registry import load_registry
from glueft_tasks.mrpc import MRPC
from glueft_tasks.stsb import STSB

FILES = {"test": "MRPC.tsv"}
TEXT = {"not_equivalent": "0", "equivalent": "1"}

BREACHES: dict[str, tuple[Any, str]] = {
    "another thing": ("MRPC.tsv", "is 'MRPC.tsv'; it must be a glueft.Submission, or None"),
    "no benchmark": (glueft.Submission("", FILES, "equivalent"), "does not name its benchmark"),
    "no such part": (
        glueft.Submission("GLUE", FILES, "equivalent", average="half"),  # type: ignore[arg-type]
        'needs as `average` "counted", "optional" or "not counted", and has \'half\'',
    ),
    "no files": (glueft.Submission("GLUE", {}, "equivalent"), "needs `files`, a file name such as"),
    "a path": (glueft.Submission("GLUE", {"test": "../MRPC.tsv"}, "equivalent"), "needs `files`, a file name such as"),
    "another split": (
        glueft.Submission("GLUE", {"validation": "MRPC.tsv"}, "equivalent"),
        "names the split 'validation', which is not among its `test_splits`",
    ),
    "another label": (
        glueft.Submission("GLUE", FILES, "alike"),
        "needs as `majority` one of its `labels` (not_equivalent, equivalent), and has 'alike'",
    ),
    "a label without text": (
        glueft.Submission("GLUE", FILES, "equivalent", label_text={"equivalent": "1"}),
        "needs as `label_text` a text of its own for each of not_equivalent, equivalent",
    ),
    "one text for two": (
        glueft.Submission("GLUE", FILES, "equivalent", label_text=dict.fromkeys(TEXT, "1")),
        "needs as `label_text` a text of its own for each of",
    ),
    "a tab": (
        glueft.Submission("GLUE", FILES, "equivalent", label_text=TEXT | {"equivalent": "1\t"}),
        "would write a label that is empty or holds a tab or a line end",
    ),
    "a range of labels": (
        glueft.Submission("GLUE", FILES, "equivalent", score_range=(0.0, 1.0)),
        "has a `score_range`, and its task has labels",
    ),
}


@pytest.mark.parametrize("case", BREACHES)
def test_a_breach_is_told(case: str) -> None:
    submission, told = BREACHES[case]
    cls = type("Wrong", (MRPC,), {"__doc__": "Wrong.", "name": "wrong", "submission": submission})
    reason = breach("task", cls)
    assert reason is not None and reason.startswith("the `submission` of class Wrong ") and told in reason
    assert "\n" not in reason and not reason.endswith(".")


def test_rows_must_be_counted() -> None:
    cls = type("Wrong", (MRPC,), {"__doc__": "Wrong.", "name": "wrong", "sizes": {"train": 3668}})
    assert breach("task", cls) == (
        "the `submission` of class Wrong needs `sizes['test']`, the rows that the benchmark expects"
    )


@pytest.mark.parametrize("score", [5.5, "3", float("nan")])
def test_a_score_must_be_one_that_may_be_uploaded(score: Any) -> None:
    submission = glueft.Submission("GLUE", {"test": "STS-B.tsv"}, majority=score, score_range=(0.0, 5.0))
    cls = type("Wrong", (STSB,), {"__doc__": "Wrong.", "name": "wrong", "submission": submission})
    assert "needs as `majority` a score that may be uploaded" in (breach("task", cls) or "")


def test_other_labels_need_another_submission_or_none() -> None:
    own = {"__doc__": "Mine.", "name": "mine", "labels": ("different", "same")}
    assert "needs as `majority` one of its `labels`" in (breach("task", type("Mine", (MRPC,), own)) or "")
    assert breach("task", type("Mine", (MRPC,), own | {"submission": None})) is None


def test_the_tasks_that_come_with_glueft_have_eleven_files_of_glue() -> None:
    tasks: list[Any] = [plugin.cls for plugin in load_registry().all("task") if plugin.package == "glueft"]
    declared = [task.submission for task in tasks if task.submission]
    assert {submission.benchmark for submission in declared} == {"GLUE"}
    files = [name for submission in declared for name in submission.files.values()]
    assert len(files) == len(set(files)) == 11
