"""The conformance suite on a task, a metric and a loss of any number of labels a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from keras import ops
from test_conformance import broken, run
from test_conformance_of_losses import Row

import glueft
from glueft.plugin.contract import breach
from glueft.plugin.registry import known_classes
from glueft.plugin.task_contract import metrics_breach, task_breach
from glueft.plugin.task_description import describe_task, read_description

OF_LABEL = ("sun", "rain", "wind")
ROWS = [(f"note {row} of a day", [label for at, label in enumerate(OF_LABEL) if row >> at & 1]) for row in range(24)]


class Weather(glueft.Task):
    """What the weather of a day was."""

    name = "weather"
    inputs = ("text",)
    labels = OF_LABEL
    multi_label = True
    metrics = ("micro_f1",)
    reads_own_files = True

    class Options(glueft.Options):
        """The file."""

        file: glueft.LocalPath = glueft.Field(description="JSON Lines.")

    def load(self, source: Any) -> Any:
        tables = glueft.read_tables(
            {"train": self.options.file, "validation": self.options.file},
            texts={"text": "text"}, label="weather", multi_label=True, labels=OF_LABEL,
        )  # fmt: skip
        return tables.splits


class Covered(glueft.Metric):
    """Share of the rows all of whose labels are predicted."""

    name = "share_covered"
    suits = ("labels", "multi_label")

    def value(self, predictions: Any, references: Any) -> float:
        there = predictions >= references if references.ndim == 2 else (predictions == references)[:, None]
        return float(there.all(axis=1).mean())


class Squares(glueft.Loss):
    """The squared error of each label's probability."""

    name = "squares"
    suits = "multi_label"

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, logits: ops.mean(ops.square(labels - ops.sigmoid(logits)), axis=-1))


class PerLabel(Squares):
    """A number for each label."""

    def build(self, task: glueft.Task) -> Any:
        return Row(lambda labels, logits: ops.square(labels - ops.sigmoid(logits)))


class Weighing(Squares):
    """Weighs rows by a label that they do not have."""

    def label_weights(self, task: glueft.Task) -> Any:
        return [1.0] * len(task.labels)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"text": text, "weather": labels}) + "\n" for text, labels in ROWS))
    return path


def test_a_task_of_several_labels_passes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"file": str(file)}
    for name in ("declaration", "offline load", "bad rows"):
        run(Weather, name, options=options)
    assert run(Weather, "labels", options=options) == "12 sun, 12 rain, 12 wind"
    assert run(Weather, "metrics", options=options) == "micro_f1 1 where every prediction is right"
    file.write_text("".join(json.dumps({"text": text, "weather": labels[:2]}) + "\n" for text, labels in ROWS[:4]))
    assert "no row of the train split has the label 'wind'" in broken(Weather, "labels", options=options)
    monkeypatch.setattr(Weather, "metrics", ("macro_f1",))
    assert "no row has the label 'wind'" in broken(Weather, "metrics", options=options)


@pytest.mark.slow  # it trains a tiny encoder
def test_a_tiny_encoder_learns_it(file: Path) -> None:
    assert run(Weather, "learns", options={"file": str(file)}).startswith("a tiny encoder overfits: ")


@pytest.mark.parametrize("check", ["value", "best value", "row order", "resampled"])
def test_a_metric_is_checked_for_each_kind_of_task(check: str) -> None:
    told = run(Covered, check)
    assert check == "resampled" or len(told.split("; ")) == 2


def test_a_loss_of_several_labels() -> None:
    for check in ("declaration", "label weights", "row by row", "validation"):
        run(Squares, check)
    assert "must return one number a row" in broken(PerLabel, "row by row")
    assert "the rows of a multi-label task have any number of them" in broken(Weighing, "label weights")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"multi_label": "yes"}, "needs as `multi_label` True or False, and has 'yes'"),
        ({"positive_label": "sun"}, "sets `multi_label` and `positive_label`"),
        ({"tsv": glueft.TSVLayout("w", columns={"text": 0, "label": 1})}, "sets `multi_label` and `tsv`"),
        (
            {"submission": glueft.Submission("GLUE", {"test": "W.tsv"}, "sun"), "sizes": {"test": 1}},
            "sets `multi_label` and `submission`: a benchmark's files have one label a row",
        ),
    ],
)
def test_what_a_task_of_several_labels_cannot_declare(attributes: dict[str, Any], reason: str) -> None:
    assert reason in str(breach("task", type("Wrong", (Weather,), {"__doc__": "Wrong.", **attributes})))


def test_its_own_load_may_read_a_sample_beside_it() -> None:
    of_hub = {"hub": glueft.HubDataset("weather"), "load": glueft.Task.load}
    other = type("Other", (Weather,), {"reads_own_files": False, "sample": "samples"})
    assert task_breach(other) is None
    told = str(task_breach(type("OfHub", (other,), of_hub)))
    assert "has a `sample` and nothing to read it by: it needs a `tsv` layout, or its own `load`" in told


def test_a_task_of_several_labels_has_labels_once_it_is_made() -> None:
    """Unless its rows tell them."""
    options = Weather.Options(file="x")
    reading = type("Reading", (Weather,), {"labels": ()})
    assert task_breach(reading) is task_breach(reading(options)) is None
    other = type("Other", (Weather,), {"labels": (), "reads_own_files": False})
    assert task_breach(other) is None and "sets `multi_label` and needs `labels`" in str(task_breach(other(options)))


def test_its_metrics_and_loss_suit_it() -> None:
    wrong = type("Wrong", (Weather,), {"__doc__": "Wrong.", "metrics": ("accuracy",)})
    assert 'the metric "accuracy" of task "weather" does not suit a multi-label task' in str(
        metrics_breach(wrong, known_classes)
    )
    task = type("Choosing", (Weather,), {"default_loss": lambda self: "focal", "metrics": ("micro_f1",)})
    made = task(task.Options(file="x"))
    assert "must be one of binary_cross_entropy, and is 'focal'" in str(metrics_breach(made, known_classes))


def test_its_description_says_so_and_that_of_others_nothing() -> None:
    described = describe_task(Weather(Weather.Options(file="x")))
    assert described.multi_label and described.as_record()["multi_label"] is True
    assert read_description(described.as_record()) == described
    other = type("Other", (Weather,), {"multi_label": False})
    recorded = describe_task(other(other.Options(file="x"))).as_record()
    assert "multi_label" not in recorded and not read_description(recorded).multi_label
