"""Rows that wait for the model: what shares a batch, in which order, and how many may wait."""

from __future__ import annotations

import threading
import time

import pytest

from glueft.serve.metrics import Metrics
from glueft.serve.refusals import RefusedError
from glueft.serve.waiting import Part, Question, Waiting


def question(*texts: str) -> Question:
    return Question([(text,) for text in texts], lambda: None)


def texts(parts: list[Part]) -> list[list[str]]:
    return [[part.question.rows[row][0] for row in part.rows] for part in parts]


def test_questions_share_a_batch_in_their_order() -> None:
    waiting = Waiting(10)
    waiting.put(question("a", "bbb"))
    waiting.put(question("cc"))
    assert waiting.rows == 3
    assert texts(waiting.take(8, 0.0, 0.0)) == [["bbb", "a"], ["cc"]]
    assert waiting.rows == 0 and waiting.take(8, 0.0, 0.0) == []


def test_others_come_between_the_parts_of_a_long_one() -> None:
    waiting = Waiting(10)
    waiting.put(question("aaaa", "aaa", "aa", "a"))
    waiting.put(question("b"))
    assert texts(waiting.take(2, 0.0, 0.0)) == [["aaaa", "aaa"]]
    assert texts(waiting.take(2, 0.0, 0.0)) == [["b"], ["aa"]]
    assert texts(waiting.take(2, 0.0, 0.0)) == [["a"]]


def test_texts_and_pairs_share_no_batch() -> None:
    waiting = Waiting(10)
    waiting.put(question("a"))
    waiting.put(Question([("p", "q")], lambda: None))
    waiting.put(question("b"))
    assert texts(waiting.take(8, 0.0, 0.0)) == [["a"], ["b"]]
    assert texts(waiting.take(8, 0.0, 0.0)) == [["p"]]


def test_more_rows_than_may_wait_are_refused_and_the_others_stay() -> None:
    waiting = Waiting(3)
    waiting.put(question("a", "b"))
    with pytest.raises(RefusedError) as refused:
        waiting.put(question("c", "d"))
    assert refused.value.status == 503
    assert "at most 3 waiting rows (--max-queue)" in refused.value.expected
    assert "2 rows more than the 2 that wait" in refused.value.received
    assert texts(waiting.take(8, 0.0, 0.0)) == [["a", "b"]]


def test_rows_of_a_client_that_is_gone_are_not_predicted() -> None:
    dropped: list[int] = []
    waiting = Waiting(10, dropped.append)
    gone = question("a", "b")
    waiting.put(gone)
    waiting.put(question("c"))
    gone.given_up = True
    assert texts(waiting.take(8, 0.0, 0.0)) == [["c"]]
    assert dropped == [2] and waiting.rows == 0


def test_a_row_waits_for_others_no_longer_than_it_must() -> None:
    waiting = Waiting(10)
    waiting.put(question("a"))
    threading.Timer(0.05, waiting.put, [question("b")]).start()
    begin = time.monotonic()
    assert texts(waiting.take(2, 30.0, 0.0)) == [["a"], ["b"]]
    assert time.monotonic() - begin < 20


def test_a_question_is_done_once_with_all_its_answers_or_an_error() -> None:
    ended: list[str] = []
    whole = Question([("a",), ("b",)], lambda: ended.append("whole"))
    whole.answer([1], ["B"])
    assert ended == []
    whole.answer([0], ["A"])
    assert ended == ["whole"] and whole.answers == ["A", "B"]
    failed = Question([("a",), ("b",)], lambda: ended.append("failed"))
    failed.fail(ValueError("one"))
    failed.fail(ValueError("two"))
    failed.answer([0, 1], ["A", "B"])
    assert ended == ["whole", "failed"] and str(failed.error) == "one"


def test_the_text_of_metrics() -> None:
    metrics = Metrics()
    metrics.add("glueft_requests_total", labels='{status="200"}')
    metrics.observe("glueft_predict_rows", 2)
    metrics.observe("glueft_predict_rows", 1000)
    lines = metrics.text(waiting_rows=7).splitlines()
    assert 'glueft_requests_total{status="200"} 1' in lines and "glueft_rows_total 0" in lines
    assert "# TYPE glueft_predict_rows histogram" in lines and "glueft_waiting_rows 7" in lines
    buckets = [line for line in lines if line.startswith("glueft_predict_rows_bucket")]
    assert buckets[0] == 'glueft_predict_rows_bucket{le="1"} 0' and buckets[1].endswith(" 1")
    assert buckets[-2:] == ['glueft_predict_rows_bucket{le="512"} 1', 'glueft_predict_rows_bucket{le="+Inf"} 2']
    assert "glueft_predict_rows_sum 1002" in lines and "glueft_predict_rows_count 2" in lines
