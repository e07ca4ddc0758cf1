"""The tasks whose data sets on the hub are unlike MRPC's, with the columns, splits and label names of nyu-mll/glue."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from hub_fixtures import Worker, worker
from hub_server import running_hub

NLI = ["entailment", "neutral", "contradiction"]


def pairs(first: str, second: str, *rows: tuple[str, str, Any]) -> dict[str, list[Any]]:
    """Columns as the hub has them, with its numbers of the rows."""
    texts, others, labels = zip(*rows, strict=True)
    return {first: [*texts], second: [*others], "label": [*labels], "idx": [*range(len(rows))]}


def nli(*rows: tuple[str, str, int]) -> dict[str, list[Any]]:
    return pairs("premise", "hypothesis", *rows)


CONFIGURATIONS: Any = {
    "mnli": (
        {
            "train": nli(("Rain.", "Wet.", 0), ("Rain.", "Dry.", 2), ("Rain.", "Cold.", 1)),
            "validation_matched": nli(("Sun.", "Warm.", 1)),
            "validation_mismatched": nli(("Snow.", "White.", 0)),
            "test_matched": nli(("Hail.", "Ice.", -1)),
            "test_mismatched": nli(("Fog.", "Grey.", -1)),
        },
        NLI,
    ),
    "ax": ({"test": nli(("It rains.", "It pours.", -1))}, NLI),
    "stsb": (
        {
            "train": pairs("sentence1", "sentence2", ("A.", "B.", 5.0), ("C.", "D.", 0.5)),
            "validation": pairs("sentence1", "sentence2", ("E.", "F.", 2.25)),
            "test": pairs("sentence1", "sentence2", ("G.", "H.", -1.0)),
        },
        [],
    ),
    "qqp": (
        {
            "train": pairs("question1", "question2", ("A?", "", 0), ("B?", "C?", 1)),
            "validation": pairs("question1", "question2", ("D?", "E?", 1)),
            "test": pairs("question1", "question2", ("F?", "G?", -1)),
        },
        ["not_duplicate", "duplicate"],
    ),
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_hub() as hub:
        hub.add_configurations("nyu-mll/glue", CONFIGURATIONS)
        with worker(hub, tmp_path_factory.mktemp("home")) as process:
            yield process


def test_mnli_has_two_splits_of_either_sort(asked: Worker) -> None:
    answer = asked("rows", task="mnli")
    assert list(answer["splits"]) == [
        "train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched",
    ]  # fmt: skip
    assert answer["splits"]["train"] == [["Rain."] * 3, ["Wet.", "Dry.", "Cold."], [0, 2, 1]]
    assert answer["splits"]["test_mismatched"] == [["Fog."], ["Grey."], [-1]]


def test_the_diagnostic_set_comes_with_mnlis_rows(asked: Worker) -> None:
    answer = asked("rows", task="ax")
    assert list(answer["splits"]) == ["train", "validation_matched", "diagnostic"]
    assert answer["splits"]["train"][2] == [0, 2, 1]
    assert answer["splits"]["diagnostic"] == [["It rains."], ["It pours."], [-1]]
    assert answer["provenance"]["config"] == "ax"
    assert answer["provenance"]["trained_on"]["config"] == "mnli"
    assert answer["provenance"]["trained_on"]["revision"] == answer["provenance"]["revision"]


def test_scores_and_empty_questions(asked: Worker) -> None:
    answer = asked("rows", task="stsb")
    assert answer["splits"]["train"] == [["A.", "C."], ["B.", "D."], [5.0, 0.5]]
    assert math.isnan(answer["splits"]["test"][2][0])  # Hidden.
    assert asked("rows", task="qqp")["splits"]["train"] == [["A?", "B?"], ["", "C?"], [0, 1]]
