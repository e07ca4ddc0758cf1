"""The body of a request to /predict, and each reason to refuse one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glueft.inference.text_columns import TextChoice
from glueft.plugin.task import TableLayout
from glueft.serve.limits import LONGEST_TEXT, Limits
from glueft.serve.refusals import RefusedError, as_object
from glueft.serve.request import read_rows

LIMITS = Limits(rows=3, waiting=10)


def read(content: Any, *, pairs: bool | None = False) -> list[tuple[str, ...]]:
    names = ("sentence",) if pairs is False else ("premise", "hypothesis")
    choice = TextChoice(names, TableLayout({name: (name,) for name in names}))
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_rows(body, choice, LIMITS, pairs=pairs)


def test_one_text_a_list_and_pairs() -> None:
    assert read({"text": "a b"}) == [("a b",)]
    assert read({"texts": ["a", "\U0001f600", ["c"]]}) == [("a",), ("\U0001f600",), ("c",)]
    assert read({"text": "a", "text_pair": "b"}, pairs=True) == [("a", "b")]
    assert read({"texts": [["a", "b"], ["c", "d"]]}, pairs=True) == [("a", "b"), ("c", "d")]


def test_a_classifier_that_tells_no_task_takes_both() -> None:
    assert read({"texts": ["a", "b"]}, pairs=None) == [("a",), ("b",)]
    assert read({"texts": [["a", "b"]]}, pairs=None) == [("a", "b")]


@pytest.mark.parametrize(
    ("content", "pairs", "status", "message", "part"),
    [
        (b"{", False, 400, "the body is not JSON", "1 byte"),
        (b"\xff", False, 400, "the body is not JSON", "UTF-8"),
        (b"[" * 100_000, False, 400, "the body is not JSON", "nested too deeply"),
        (["a"], False, 422, "the body is no JSON object", "['a']"),
        ({"txt": "a"}, False, 422, "the key 'txt' is not known", 'did you mean "text"?'),
        ({}, False, 422, "does not say what to predict", "an empty object"),
        ({"text": "a", "texts": ["b"]}, False, 422, "does not say what to predict", "text and texts"),
        ({"texts": ["b"], "text_pair": "c"}, False, 422, "does not say what to predict", "texts and text_pair"),
        ({"texts": "a"}, False, 422, "texts is no list", '"texts": ["A text."'),
        ({"texts": []}, False, 422, "there is nothing to predict", "an empty list"),
        ({"texts": ["a"] * 4}, False, 413, "too many rows in one request", "at most 3 rows (--max-rows)"),
        ({"text": "a", "text_pair": "b"}, False, 422, "text is not what this model reads", "2 texts"),
        ({"text": "a"}, True, 422, "text is not what this model reads", 'send {"text": "A text.", "text_pair": "Its'),
        ({"texts": [["a", "b"], "c"]}, True, 422, "texts[1] is not what this model reads", "premise and hypothesis"),
        ({"texts": ["a", ["b", "c"]]}, None, 422, "texts and pairs are mixed", "both"),
        ({"texts": ["a", " \n"]}, False, 422, 'texts[1]: no text in "sentence"', "white space"),
        ({"text": None}, False, 422, 'text: no text in "sentence"', "null"),
        ({"text": 3}, False, 422, 'text: "sentence" is not text', "a number"),
        (b'{"text": "\\ud800"}', False, 422, "holds half a character", "ud800"),
        ({"text": "a" * (LONGEST_TEXT + 1)}, False, 422, "text is too long", "100,001 characters"),
    ],
)
def test_refused(content: Any, pairs: bool | None, status: int, message: str, part: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(content, pairs=pairs)
    told = as_object(refused.value)["error"]
    assert refused.value.status == status and message in told["message"]
    assert part in " ".join(told.values()) and "fix" in told
