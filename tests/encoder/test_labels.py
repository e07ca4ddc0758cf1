from __future__ import annotations

from typing import Any

import pytest

from glueft.encoder.config import find_family
from glueft.encoder.labels import head_rows, problem_type
from glueft.errors import CheckpointError

BERT = find_family({"model_type": "bert"})


def names(*labels: str) -> dict[str, str]:
    return {str(index): label for index, label in enumerate(labels)}


def refused(config: dict[str, Any], rows: int, labels: tuple[str, ...]) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        head_rows(config, rows, labels, BERT)
    return caught.value


def test_rows_are_found_by_name_whatever_their_order() -> None:
    config = {"id2label": names("contradiction", "neutral", "entailment")}
    assert head_rows(config, 3, ("contradiction", "neutral", "entailment"), BERT) == [0, 1, 2]
    assert head_rows(config, 3, ("entailment", "contradiction", "neutral"), BERT) == [2, 0, 1]
    whole_numbers = {"id2label": {1: "no", 0: "yes"}, "problem_type": "single_label_classification"}
    assert head_rows(whole_numbers, 2, ("no", "yes"), BERT) == [1, 0]


@pytest.mark.parametrize(
    "theirs",
    [("POSITIVE", "NEGATIVE"), ("no", "yes"), ("negative", "neutral", "positive"), ("negative",)],
)
def test_other_labels_are_refused_with_both_lists(theirs: tuple[str, ...]) -> None:
    error = refused({"id2label": names(*theirs)}, len(theirs), ("negative", "positive"))
    assert error.message == "the checkpoint's classification head does not fit the task"
    assert error.expected == 'the task\'s labels: "negative", "positive"'
    assert error.received == "the checkpoint's head: " + ", ".join(f'"{name}"' for name in theirs)
    assert "new_head = true" in error.fix


@pytest.mark.parametrize(
    ("theirs", "label2id", "received"),
    [
        (("no", "no"), None, 'outputs 0 and 1 are both called "no"'),
        (("no", "yes"), {"no": 1, "yes": 0}, 'output 0 is "yes" in label2id and "no" in id2label'),
        (("no", "yes"), {"yes": 0}, 'output 0 is "yes" in label2id and "no" in id2label'),
        (("no", "yes"), {"negative": 0, "positive": 1}, 'output 0 is "negative" in label2id and "no" in id2label'),
        (("no", "yes"), {"no": 0, "yes": 0}, 'output 0 is "no", "yes" in label2id and "no" in id2label'),
        (("no", "yes"), {"no": 0, "yes": 1, "may be": 2}, 'output 2 is "may be" in label2id and no output of the head'),
    ],
)
def test_names_that_contradict_each_other(
    theirs: tuple[str, ...], label2id: dict[str, int] | None, received: str
) -> None:
    error = refused({"id2label": names(*theirs), "label2id": label2id}, 2, ("no", "yes"))
    assert error.message == "the checkpoint's config.json contradicts itself about the labels"
    assert error.received == received
    assert "new_head = true" in error.fix


@pytest.mark.parametrize(
    "label2id", [None, {}, {"LABEL_0": 1, "LABEL_1": 0}, {"no": 0}, {"no": 0, "none": 0, "yes": "1"}, ["no", "yes"]]
)
def test_a_label2id_that_says_no_other_thing(label2id: Any) -> None:
    assert head_rows({"id2label": names("no", "yes"), "label2id": label2id}, 2, ("yes", "no"), BERT) == [1, 0]


def test_names_that_were_never_given_contradict_none() -> None:
    config = {"id2label": names("LABEL_0", "LABEL_1"), "label2id": {"no": 0, "yes": 1}}
    assert head_rows(config, 2, ("LABEL_0", "LABEL_1"), BERT) == [0, 1]
    assert head_rows({"id2label": names("score"), "label2id": {"rank": 0}}, 1, (), BERT) == [0]


@pytest.mark.parametrize("labels", [(), ("yes",), ("no", "yes")])
def test_one_class_is_no_choice(labels: tuple[str, ...]) -> None:
    error = refused({"id2label": names("yes"), "problem_type": "single_label_classification"}, 1, labels)
    assert error.received == "one output and problem_type single_label_classification"
    assert "problem_type = regression" in error.fix


@pytest.mark.parametrize("config", [{}, {"id2label": names("LABEL_0", "LABEL_1")}])
def test_names_that_were_never_given_fit_no_task(config: dict[str, Any]) -> None:
    error = refused(config, 2, ("negative", "positive"))
    assert error.received == 'the checkpoint\'s head: "LABEL_0", "LABEL_1"'
    assert "write the names into id2label" in error.fix
    assert "new_head = true" in error.fix


def test_a_task_may_have_such_names_itself() -> None:
    assert head_rows({}, 2, ("LABEL_1", "LABEL_0"), BERT) == [1, 0]


def test_regression() -> None:
    assert head_rows({"problem_type": "regression"}, 1, (), BERT) == [0]
    assert head_rows({"id2label": names("score"), "problem_type": None}, 1, (), BERT) == [0]
    for config, rows in (({"id2label": names("a", "b")}, 2), ({"problem_type": "multi_label_classification"}, 1)):
        assert refused(config, rows, ()).expected == "regression: one output and no labels"


@pytest.mark.parametrize("kind", ["regression", "multi_label_classification"])
def test_a_head_for_another_kind_of_problem(kind: str) -> None:
    error = refused({"id2label": names("no", "yes"), "problem_type": kind}, 2, ("no", "yes"))
    assert error.received.endswith(f"with problem_type {kind}")


def test_a_head_of_several_labels_a_row_says_so_itself() -> None:
    config = {"id2label": names("no", "yes"), "problem_type": "multi_label_classification"}
    assert head_rows(config, 2, ("yes", "no"), BERT, multi_label=True) == [1, 0]
    for kind, received in ((None, "no problem_type"), ("regression", "problem_type regression")):
        with pytest.raises(CheckpointError) as caught:
            head_rows(config | {"problem_type": kind}, 2, ("no", "yes"), BERT, multi_label=True)
        assert caught.value.received.endswith(f'"no", "yes" with {received}')
        assert caught.value.expected == 'the task\'s labels: "no", "yes" with problem_type multi_label_classification'
    for labels, several, kind in ((("a", "b"), True, "multi_label_classification"), ((), False, "regression")):
        assert problem_type(labels, multi_label=several) == kind


def test_a_head_of_another_class() -> None:
    config = {"id2label": names("no", "yes"), "architectures": ["BertForTokenClassification"]}
    assert refused(config, 2, ("no", "yes")).received.endswith('"no", "yes" of BertForTokenClassification')


@pytest.mark.parametrize("given", [names("a"), names("a", "b", "c"), {"0": "a", "2": "b"}, {"x": "a"}, ["a", "b"], 3])
def test_names_that_do_not_go_with_the_weights(given: Any) -> None:
    error = refused({"id2label": given}, 2, ("a", "b"))
    assert error.message == "the checkpoint's config.json and the weights disagree on the labels"
    assert error.received == f"id2label = {given!r}"
