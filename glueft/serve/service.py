"""The HTTP service: what each address answers. It reads and checks requests, and lets their rows wait for the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from glueft.errors import GlueftError
from glueft.inference.text_columns import TextChoice
from glueft.serve.hosts import refuse_foreign
from glueft.serve.limits import BODY_SECONDS, LARGEST_BODY, LONGEST_READ, Limits
from glueft.serve.metrics import CONTENT_TYPE, Metrics
from glueft.serve.refusals import RefusedError, as_object
from glueft.serve.request import read_rows
from glueft.serve.waiting import Question, Waiting
from glueft.text import short_repr

# Characters of a wrong path that are told.
LONGEST_PATH = 100
ADDRESSES = "POST /predict, GET /health, GET /metrics"


@dataclass(frozen=True)
class Service:
    """What the addresses answer from.

    Attributes:
        facts: what `/health` says of the model.
        choice, pairs, limits: of `read_rows`.
        waiting: gets the rows.
        metrics: counts.
        is_ending: whether the service is about to end.
        names: those under which it may be asked beside its address; None for any.
    """

    facts: Mapping[str, Any]
    choice: TextChoice
    pairs: bool | None
    limits: Limits
    waiting: Waiting
    metrics: Metrics
    is_ending: Callable[[], bool]
    names: Collection[str] | None = None

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/predict", self._counted(self._predict), methods=["POST"]),
            Route("/health", self._counted(self._health)),
            Route("/metrics", self._counted(self._metrics)),
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: self._no_such_thing})
        app.router.redirect_slashes = False
        return app

    def _counted(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Have errors answered too, and all counted."""

        async def counted(request: Request) -> Response:
            begin = time.perf_counter()
            try:
                _refuse_two_lengths(request)
                if self.names is not None:
                    refuse_foreign(request.headers, self.names)
                response: Response = await answer(request)
            except RefusedError as error:
                response = _refusal(error.status, error)
            except GlueftError as error:
                response = _refusal(500, error)
            except ClientDisconnect:
                response = Response(status_code=499)  # nobody reads it; nginx counts such ones under this number
            self.metrics.observe("glueft_request_seconds", time.perf_counter() - begin)
            return self._told(request, response)

        return counted

    async def _predict(self, request: Request) -> Response:
        rows = read_rows(await _body(request), self.choice, self.limits, pairs=self.pairs)
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        question = Question(rows, lambda: loop.call_soon_threadsafe(ended.set))
        self.waiting.put(question)
        tasks = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(_gone(request))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            question.given_up = not ended.is_set()
            for task in tasks:
                task.cancel()
        if question.given_up:
            raise ClientDisconnect
        if question.error is not None:
            raise question.error
        return JSONResponse({"precision": self.facts["precision"], "predictions": question.answers})

    async def _health(self, request: Request) -> Response:
        ending = self.is_ending()
        status = {"status": "ending" if ending else "ok", "waiting_rows": self.waiting.rows}
        return JSONResponse(status | dict(self.facts), 503 if ending else 200)

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.text(waiting_rows=self.waiting.rows), headers={"content-type": CONTENT_TYPE})

    async def _no_such_thing(self, request: Request, error: Exception) -> Response:
        """Answer to another address, or another method."""
        assert isinstance(error, HTTPException)
        path = request.url.path
        received = f"{request.method} {path if len(path) <= LONGEST_PATH else path[:LONGEST_PATH] + '...'}"
        refused = GlueftError("nothing here answers that", expected=ADDRESSES, received=received)
        return self._told(request, _refusal(error.status_code, refused, error.headers))

    def _told(self, request: Request, response: Response) -> Response:
        """Count a response; the last one of a connection says so, or its client would ask again and be cut off."""
        self.metrics.add("glueft_requests_total", labels=f'{{status="{response.status_code}"}}')
        if self.is_ending() or _has_two_lengths(request):
            response.headers["connection"] = "close"
        return response


def _has_two_lengths(request: Request) -> bool:
    return "content-length" in request.headers and "transfer-encoding" in request.headers


def _refuse_two_lengths(request: Request) -> None:
    """Refuse a request of which a proxy in front may see another end than is seen here (RFC 9112, 6.3).

    Its connection is closed: what follows could be a request that the proxy has not seen.
    """
    if _has_two_lengths(request):
        raise RefusedError(
            400,
            "the length of the request's body is given twice",
            expected="Content-Length or Transfer-Encoding",
            received="both",
            fix="send one of the two headers",
        )


async def _body(request: Request) -> bytes:
    """Read the body.

    Raises:
        RefusedError: it is too large, too slow, or compressed.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RefusedError(
            415,
            "the body of the request is compressed",
            expected="JSON as it is",
            received=f"Content-Encoding: {short_repr(encoding)}",
            fix="send it without a Content-Encoding",
        )
    # A client that waits for leave to send is refused at once; another sends its body before it reads the refusal, so
    # that one which can be read and dropped is.
    announced = int(request.headers.get("content-length", "0"))
    waits = request.headers.get("expect", "").lower() == "100-continue"
    if announced > (LARGEST_BODY if waits else LONGEST_READ):
        raise _too_large(f"{announced:,} bytes")
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                # What is too large is read on, for most clients look at no answer before they have sent all.
                if size <= LARGEST_BODY:
                    body += chunk
                elif size > LONGEST_READ:
                    break
    except TimeoutError:
        raise RefusedError(
            408,
            "the body of the request did not arrive",
            expected=f"all of it within {BODY_SECONDS:g} s",
            received=f"{size:,} bytes",
            fix="send it again",
        ) from None
    if size > LARGEST_BODY:
        raise _too_large(f"{size:,} bytes" if size <= LONGEST_READ else f"more than {LONGEST_READ:,} bytes")
    return bytes(body)


def _too_large(received: str) -> RefusedError:
    return RefusedError(
        413,
        "the body of the request is too large",
        expected=f"at most {LARGEST_BODY:,} bytes",
        received=received,
        fix="share the texts out among several requests",
    )


async def _gone(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(status: int, error: GlueftError, headers: Mapping[str, str] | None = None) -> Response:
    more = {"connection": "close"} if status in (408, 413, 415) else {"retry-after": "1"} if status == 503 else {}
    return JSONResponse(as_object(error), status, {**more, **(headers or {})})
