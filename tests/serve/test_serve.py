"""A model behind HTTP: real requests to a real server, and the answers of `glueft predict`."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from glueft.cli.main import command_line
from glueft.errors import ServeError, TrainingError
from glueft.inference.opening import OpenedModel
from glueft.inference.predictor import SavedModel
from glueft.inference.progress import PredictionProgress

pytest.importorskip("uvicorn", reason="needs glueft[serve]")
pytest.importorskip("starlette", reason="needs glueft[serve]")

from glueft.serve.answering import Answering
from glueft.serve.limits import LARGEST_BODY, Limits
from glueft.serve.serve import address_of, bind, is_loopback, listen, serve
from glueft.serve.waiting import Part, Question

ROWS = [(f"the first bridge {'is old ' * (row % 7)}{row}", f"a bridge {row % 5}") for row in range(40)]


class Served:
    """A service in a thread, and requests to it."""

    def __init__(self, opened: OpenedModel, model: SavedModel, **limits: int) -> None:
        self.opened, self.model, self.over, self.lines = opened, model, threading.Event(), list[str]()
        bound = bind("127.0.0.1", 0)
        self.address = urlsplit(address_of(bound)).netloc
        ready = threading.Event()
        facts = {"task": "mrpc", "labels": list(self.model.labels), "precision": self.model.precision}
        self.thread = threading.Thread(
            target=serve,
            args=(bound, Answering(self.model), opened.any_choice(), facts),
            kwargs={
                "limits": Limits(**{"rows": 64, "waiting": 64} | limits),
                "pairs": self.model.pair,
                "max_wait": 0.005,
                "ready": ready.set,
                "is_over": self.over.is_set,
                "names": ["proxy.example"],
                "say": self.lines.append,
            },
        )
        self.thread.start()
        assert ready.wait(60)

    def ask(self, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        body = content if content is None or isinstance(content, bytes) else json.dumps(content)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text if path == "/metrics" else json.loads(text)

    def predict(self, content: Any) -> tuple[int, Any]:
        return self.ask("POST", "/predict", content)

    def end(self) -> None:
        self.over.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def served(finished_run: Path) -> Iterator[Served]:
    opened = OpenedModel(finished_run, PredictionProgress(), batch_size=8)
    service = Served(opened, opened.model())
    yield service
    service.end()
    assert service.lines == ["ending: 0 rows still to answer; another signal ends at once"]


@pytest.fixture(scope="module")
def expected(served: Served) -> dict[tuple[str, str], dict[str, float]]:
    answers = served.model.answer([list(column) for column in zip(*ROWS, strict=True)])
    return {
        row: dict(zip(served.model.labels, numbers, strict=True))
        for row, numbers in zip(ROWS, answers.probabilities.tolist(), strict=True)
    }


def test_answers_are_those_of_predict(served: Served, finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["predict", str(finished_run), *ROWS[0], "--json"]) == 0
    own = json.loads(capsys.readouterr().out)
    status, told = served.predict({"text": ROWS[0][0], "text_pair": ROWS[0][1]})
    assert status == 200 and told.keys() == own.keys() and told["precision"] == own["precision"]
    (answer,), (same,) = told["predictions"], own["predictions"]
    assert answer.keys() == same.keys()
    assert (answer["texts"], answer["label"]) == (same["texts"], same["label"])
    assert answer["probabilities"] == pytest.approx(same["probabilities"], abs=1e-6)


def test_many_clients_at_once_lose_nothing_and_mix_nothing_up(
    served: Served, expected: dict[tuple[str, str], dict[str, float]]
) -> None:
    def client(number: int) -> list[tuple[tuple[str, str], dict[str, Any]]]:
        rows = [ROWS[(number * 7 + place) % len(ROWS)] for place in range(1 + number % 5)]
        status, told = served.predict({"texts": [list(row) for row in rows]})
        assert status == 200
        return list(zip(rows, told["predictions"], strict=True))

    with ThreadPoolExecutor(12) as threads:
        answers = [answer for part in threads.map(client, range(24)) for answer in part]
    assert len(answers) == sum(1 + number % 5 for number in range(24))
    for row, answer in answers:
        assert tuple(answer["texts"]) == row
        assert answer["probabilities"] == pytest.approx(expected[row], abs=1e-6)


def test_health_metrics_and_what_is_not_there(served: Served) -> None:
    status, health = served.ask("GET", "/health")
    assert status == 200 and health["status"] == "ok" and health["labels"] == list(served.model.labels)
    assert served.ask("GET", "/nothing")[0] == 404
    status, told = served.ask("GET", "/health/" + "a" * 1000)
    assert status == 404 and len(told["error"]["received"]) < 120
    status, told = served.ask("GET", "/predict")
    assert status == 405 and told["error"]["received"] == "GET /predict"
    assert "POST /predict" in told["error"]["expected"]
    status, metrics = served.ask("GET", "/metrics")
    assert status == 200 and 'glueft_requests_total{status="405"} 1' in metrics and "glueft_waiting_rows 0" in metrics


@pytest.mark.parametrize("host", ["localhost:80", "[::1]", "127.0.0.1", "10.0.0.1:5", "Proxy.example:443"])
def test_names_that_are_its_own(served: Served, host: str) -> None:
    assert served.ask("GET", "/health", Host=host, Origin=f"https://{host}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_name_is_refused(served: Served, headers: dict[str, str]) -> None:
    status, told = served.ask("GET", "/health", **headers)
    assert status == 421 and next(iter(headers.values())) in told["error"]["received"]


def test_a_body_that_is_too_large_or_compressed(served: Served) -> None:
    status, told = served.predict(b" " * (LARGEST_BODY + 1))
    assert status == 413 and told["error"]["expected"] == "at most 4,194,304 bytes"
    # Before it is sent, where the client waits for that.
    assert served.ask("POST", "/predict", Expect="100-continue", Content_Length=str(LARGEST_BODY + 1))[0] == 413
    assert served.ask("POST", "/predict", Content_Length=str(10**12))[0] == 413
    assert served.ask("POST", "/predict", b"\x1f\x8b", Content_Encoding="gzip")[0] == 415
    # Without a length, too.
    connection = http.client.HTTPConnection(served.address, timeout=30)
    connection.request("POST", "/predict", iter([b" " * 2**20] * 5), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("lines", "received"),
    [
        ("POST /predict HTTP/1.1|Host: localhost|Content-Length: 5|Transfer-Encoding: chunked||0||", "both"),
        ("POST /nothing HTTP/1.1|Host: localhost|Transfer-Encoding: chunked|Content-Length: 5||0||", "POST /nothing"),
        ("NONSENSE||", "Invalid HTTP request received"),
        ("POST /predict HTTP/1.1|Host: localhost|Transfer-Encoding: chunked||zz||", "Invalid HTTP request received"),
    ],
)
def test_what_is_no_proper_request_is_refused_and_its_connection_closed(
    served: Served, lines: str, received: str
) -> None:
    host, port = served.address.split(":")
    hidden = "GET /health HTTP/1.1|Host: localhost||"
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall((lines + hidden).replace("|", "\r\n").encode())
        connection.settimeout(10)
        response = http.client.HTTPResponse(connection)
        response.begin()
        told = json.loads(response.read())
        assert response.status in (400, 404) and response.headers["connection"] == "close"
        assert told["error"]["received"] == received
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""


def test_slow_clients_hold_up_nobody_and_are_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.serve.connections.HEADER_SECONDS", 0.3)
    monkeypatch.setattr("glueft.serve.service.BODY_SECONDS", 0.3)
    host, port = served.address.split(":")
    with (
        socket.create_connection((host, int(port)), 30) as silent,
        socket.create_connection((host, int(port)), 30) as no_headers,
        socket.create_connection((host, int(port)), 30) as no_body,
    ):
        no_headers.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n")
        no_body.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert served.predict({"text": "a", "text_pair": "b"})[0] == 200
        assert b"408 Request Timeout" in no_body.recv(1000)
        for connection in (silent, no_headers):
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1000) == b""


def test_rows_that_cannot_be_predicted_spoil_no_others(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = served.model.answer

    def answer(texts: Any) -> Any:
        time.sleep(0.02)  # so that others share the batch
        if "bad" in texts[0]:
            raise TrainingError("the model's logits are not finite numbers", fix="choose another model")
        if "worse" in texts[0]:
            raise RuntimeError("boom")
        return whole(texts)

    monkeypatch.setattr(served.model, "answer", answer, raising=False)
    with ThreadPoolExecutor(8) as threads:
        results = list(
            threads.map(
                lambda text: served.predict({"text": text, "text_pair": "b"}), ["a", "bad", "c", "worse", "d", "e"]
            )
        )
    assert [status for status, _ in results] == [200, 500, 200, 500, 200, 200]
    assert results[1][1]["error"]["message"] == "the model's logits are not finite numbers"
    assert results[3][1]["error"] == {
        "message": "the rows could not be predicted",
        "received": "RuntimeError",
        "fix": "see what the service has printed",
    }


def test_what_waits_is_answered_at_the_end_and_too_much_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Served(served.opened, served.model, waiting=16)
    monkeypatch.setattr("glueft.serve.connections.LAST_SECONDS", 30)
    whole, begun, go = service.model.answer, threading.Event(), threading.Event()

    def answer(texts: Any) -> Any:
        begun.set()
        assert go.wait(30)
        return whole(texts)

    monkeypatch.setattr(service.model, "answer", answer, raising=False)
    some = {"texts": [list(row) for row in ROWS[:8]]}
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(service.predict, some)]
        assert begun.wait(30)
        running += [threads.submit(service.predict, some) for _ in range(2)]
        while service.ask("GET", "/health")[1]["waiting_rows"] < 16:
            time.sleep(0.01)
        status, told = service.predict({"text": "a", "text_pair": "b"})
        assert status == 503 and told["error"]["message"] == "too many rows wait already"
        idle = http.client.HTTPConnection(service.address, timeout=30)
        idle.request("GET", "/health")
        assert idle.getresponse().read()
        service.over.set()
        go.set()
        results = [part.result() for part in running]
    while not service.lines:
        time.sleep(0.01)
    # A request that was on its way is answered, and its client told not to send another.
    idle.request("GET", "/health")
    response = idle.getresponse()
    assert (response.status, response.headers["connection"]) == (503, "close")
    assert response.read()
    service.end()
    assert [status for status, _ in results] == [200] * 3
    assert all(len(told["predictions"]) == 8 for _, told in results)
    with pytest.raises(ConnectionRefusedError):
        service.predict(some)


def test_an_address_that_cannot_be_had(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        assert command_line(["serve", str(finished_run), "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"cannot listen at 127.0.0.1, port {port}" in told and "--port (0: any that is free)" in told
    assert command_line(["serve", str(finished_run), "--host", "nowhere.invalid"]) == 2
    assert "cannot listen at nowhere.invalid, port 8000" in capsys.readouterr().err


def test_a_package_that_is_missing_is_told_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find_spec(name))
    assert command_line(["serve", "nothing-here"]) == 2
    told = capsys.readouterr().err
    assert "needs the package uvicorn" in told and "pip install 'glueft[serve]'" in told


def test_nobody_connects_before_the_model_is_ready() -> None:
    with bind("127.0.0.1", 0) as bound:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(bound.getsockname(), 30)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # where no other socket may have the address
                other.bind(bound.getsockname())
                other.listen()
                with pytest.raises(ServeError, match=f"127.0.0.1, port {bound.getsockname()[1]}"):
                    listen(bound)


def test_who_reaches_an_address() -> None:
    with bind("127.0.0.1", 0) as bound:
        assert is_loopback(bound)
    with bind("0.0.0.0", 0) as bound:
        assert not is_loopback(bound)


def test_where_programs_are_compiled_batches_have_few_shapes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row that fills a batch up is answered, and no answer depends on one."""
    model, shapes = served.model, set[int]()
    whole = model.answer

    def answer(texts: Any) -> Any:
        shapes.add(len(texts[0]))
        return whole(texts)

    monkeypatch.setattr(model, "answer", answer, raising=False)
    monkeypatch.setattr(model, "evaluation_batch_size", 16)
    monkeypatch.setattr(model, "widths", None)
    answering = Answering(model)
    answering.compiled = True
    answers: list[list[Any]] = []
    for count in (1, 3, 8, 9, 16, 20):
        question = Question(ROWS[:count], lambda: None)
        answering.answer([Part(question, range(count))])
        answers.append(question.answers)
    assert shapes == {8, 16, 20} and [len(found) for found in answers] == [1, 3, 8, 9, 16, 20]
    for found in answers:
        assert [tuple(answer["texts"]) for answer in found] == ROWS[: len(found)]
        assert found[0]["probabilities"] == pytest.approx(answers[0][0]["probabilities"], abs=1e-6)
