"""The conformance suite on metrics: glueft's own pass, and one that is wrong fails with what to fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_conformance import broken, run

import glueft
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import use_registry
from glueft.testing.check import Subject
from glueft.testing.process import ask_worker, request_of

OF_METRICS = ("value", "best value", "row order", "resampled", "interval")


class Right(glueft.Metric):
    """Share of rows with the right label."""

    name = "right"

    def value(self, predictions: Any, references: Any) -> float:
        return float((predictions == references).mean())


class Percent(Right):
    """In percent, and its bounds are for shares."""

    def value(self, predictions: Any, references: Any) -> float:
        return 100 * super().value(predictions, references)


class Reversed(Right):
    """Says that lower is better."""

    higher_is_better = False


class Half(Right):
    """Never comes to its greatest value."""

    def value(self, predictions: Any, references: Any) -> float:
        return super().value(predictions, references) / 2


class FirstRow(Right):
    """Looks at the first row only."""

    def value(self, predictions: Any, references: Any) -> float:
        return float(predictions[0] + 1) / 4


class WrongResamples(Right):
    """Resamples another thing."""

    def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
        return np.zeros(len(counts))


class OneNumber(Right):
    """Gives one number for all resamples."""

    def resampled(self, predictions: Any, references: Any, counts: Any) -> Any:
        return np.float64(1.0)


class Elsewhere(Right):
    """Its interval is about something else."""

    def interval(self, predictions: Any, references: Any) -> tuple[float, float]:
        return self.share_interval(0, len(references))


class Infinite(Right):
    """No number at all."""

    def value(self, predictions: Any, references: Any) -> float:
        return float("inf")


class Scores(Right):
    """Of a regression."""

    suits = "scores"
    higher_is_better = False
    bounds = (0.0, None)

    def value(self, predictions: Any, references: Any) -> float:
        return float(abs(predictions - references).max())


@pytest.mark.parametrize(
    ("metric", "check", "told"),
    [
        (Percent, "value", "is outside of its `bounds` (0.0, 1.0)"),
        (Reversed, "best value", "is `higher_is_better` right?"),
        (Half, "best value", "right predictions have the value 0.5, and its best value is 1"),
        (FirstRow, "row order", "for the same rows in another order"),
        (WrongResamples, "resampled", "`resampled` gives 0 where `value` gives 0."),
        (OneNumber, "resampled", "must return one value per resample, and its shape is ()"),
        (Elsewhere, "interval", "`interval` gives 0 to 0.0601719, and the value is "),
        (Infinite, "value", "has no value for these predictions"),
    ],
)
def test_a_wrong_metric(metric: type[glueft.Metric], check: str, told: str) -> None:
    assert told in broken(metric, check)


@pytest.mark.parametrize("metric", [Right, Scores])
def test_a_good_one_passes(metric: type[glueft.Metric]) -> None:
    for check in ("name", "docstring", "options", "declaration", *OF_METRICS):
        run(metric, check)


@pytest.mark.parametrize("name", use_registry().names("metric"))
def test_glueft_s_own_pass(name: str) -> None:
    for check in ("name", "docstring", "options", "declaration", *OF_METRICS):
        run(use_registry().find("metric", name).cls, check)


TASK_AND_METRIC = '''
import glueft


class Share(glueft.Metric):
    """Share of right rows."""

    name = "share_of_right"

    def value(self, predictions, references):
        return float((predictions == references).mean())


class Both(glueft.Task):
    """Glad or sad."""

    name = "both"
    inputs = ("text",)
    labels = ("sad", "glad")
    metrics = ("share_of_right", "accuracy")
    tsv = glueft.TSVLayout("both", columns={"text": "text", "label": "label"})
    sample = "samples"
'''


def test_a_task_may_have_a_metric_of_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "samples" / "both"
    folder.mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        (folder / name).write_text("text\tlabel\na good day\t1\na bad day\t0\n")
    file = tmp_path / "both.py"
    file.write_text(TASK_AND_METRIC)
    cls = use_registry(read_plugin_file(file)).find("task", "both").cls
    for check in ("declaration", "metrics"):
        run(cls, check)
    # Another process finds the metric as well.
    assert set(ask_worker(request_of(Subject(cls), "rows"), "load the rows")) == {"train", "validation"}
