"""The file of a model folder that says how labels are decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glueft.encoder.decision_file import read_decision, write_decision
from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import DECISION
from glueft.hub.checkpoints import needed_files
from glueft.metrics.decision import PLAIN, DecisionRule, Fit
from glueft.push.content import is_stale

LABELS = ("no", "yes")


def test_a_rule_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_decision(tmp_path, PLAIN, LABELS)
    assert not [*tmp_path.iterdir()] and read_decision(tmp_path, LABELS, LABELS) is PLAIN
    fit = Fit(("threshold", "temperature"), "f1", "validation", 168, "ab" * 32)
    rule = DecisionRule(0.1 + 0.2, 1 / 3, 0, fit)
    write_decision(tmp_path, rule, LABELS)
    assert json.loads((tmp_path / DECISION).read_text())["label"] == "no"
    assert read_decision(tmp_path, LABELS, LABELS) == rule
    # The head's order is not always that of the task, and its outputs may have got other names.
    assert read_decision(tmp_path, LABELS, ("yes", "no")).positive == 1
    assert read_decision(tmp_path, ("0", "1"), ("1", "0")).positive == 1


def test_the_thresholds_of_a_multi_label_head_are_those_of_its_outputs(tmp_path: Path) -> None:
    labels = ("a", "b", "c")
    assert read_decision(tmp_path, labels, labels, multi_label=True) == DecisionRule(multi_label=True)
    fit = Fit(("threshold",), "f1", "validation", 168, "ab" * 32)
    rule = DecisionRule(1.5, fit=fit, multi_label=True, thresholds=(0.1 + 0.2, 0.5, 1 / 3))
    write_decision(tmp_path, rule, labels)
    content = json.loads((tmp_path / DECISION).read_text())
    assert content["labels"] == ["a", "b", "c"] and content["threshold"] is content["output"] is None
    assert read_decision(tmp_path, labels, labels, multi_label=True) == rule
    assert read_decision(tmp_path, labels, ("c", "a", "b"), multi_label=True).thresholds == (1 / 3, 0.1 + 0.2, 0.5)
    assert read_decision(tmp_path, ("0", "1", "2"), ("2", "1", "0"), multi_label=True).thresholds == (
        1 / 3,
        0.5,
        0.1 + 0.2,
    )
    for outputs, multi_label in ((labels, False), (("a", "b"), True)):
        with pytest.raises(CheckpointError, match="does not say how labels are decided") as caught:
            read_decision(tmp_path, outputs, outputs, multi_label=multi_label)
        assert caught.value.received.startswith("a threshold for each of 3 labels, and ")
    write_decision(tmp_path, DecisionRule(threshold=0.3), ("a", "b"))
    with pytest.raises(CheckpointError) as caught:
        read_decision(tmp_path, ("a", "b"), ("a", "b"), multi_label=True)
    assert caught.value.received == "a threshold between two labels, and a multi-label head of 2 labels"


def test_it_belongs_to_the_files_of_a_checkpoint() -> None:
    assert DECISION in needed_files("a/b", ["config.json", "model.safetensors", DECISION, "other.json"])
    assert is_stale(DECISION, {"config.json": b""}) and not is_stale(DECISION, {DECISION: b""})


WHOLE = {"temperature": 2.0, "threshold": 0.3, "label": "yes", "output": 1, "fitted": None}


@pytest.mark.parametrize(
    ("content", "labels", "received"),
    [
        ("{", LABELS, "line 1"),
        ("[]", LABELS, "the file = []"),
        (WHOLE | {"temperature": 0}, LABELS, "temperature = 0"),
        (WHOLE | {"temperature": "2"}, LABELS, "temperature = '2'"),
        (WHOLE | {"threshold": 1.5}, LABELS, "threshold = 1.5"),
        (WHOLE | {"output": 2}, LABELS, "output = 2"),
        (WHOLE | {"output": None}, LABELS, "a threshold between two labels, and 2 labels"),
        (WHOLE, (*LABELS, "perhaps"), "a threshold between two labels, and 3 labels"),
        (WHOLE | {"threshold": None}, (), "a temperature, and 0 labels"),
    ],
)
def test_a_file_that_says_nothing_of_use_is_refused(
    tmp_path: Path, content: Any, labels: tuple[str, ...], received: str
) -> None:
    (tmp_path / DECISION).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CheckpointError, match="does not say how labels are decided") as caught:
        read_decision(tmp_path, labels, labels)
    assert received in caught.value.received
