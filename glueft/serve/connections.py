"""Connections with time limits, and refusals in JSON: uvicorn has a limit for idle connections alone, and plain text.

A client that sends its headers byte by byte, or does not read its answer, would else be kept for ever, and its
connection with it.
"""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from glueft.serve.limits import HEADER_SECONDS, LAST_SECONDS, SEND_SECONDS
from glueft.serve.refusals import RefusedError, as_object


class Connection(H11Protocol):
    """uvicorn's connection, which is closed if a request's headers or a reader of answers do not come on.

    At the end one without a request is open for a moment more: a request may be on its way, which would be lost.
    """

    _headers: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` tells of all that is not read
        self._headers = self._end_after(HEADER_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _stop(self._headers)
            self._headers = None
        elif self._headers is None:
            self._headers = self._end_after(HEADER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self._end_after(SEND_SECONDS)

    def resume_writing(self) -> None:
        _stop(self._reader)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        refused = RefusedError(
            400,
            "the request cannot be read",
            expected="HTTP/1.1, with headers of 64 KiB at most",
            received=msg.rstrip("."),
            fix="ask with an HTTP client, such as curl",
        )
        headers = [("content-type", "application/json"), ("connection", "close")]
        body = json.dumps(as_object(refused)).encode()
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        if self._end is None:
            self._end = self.loop.call_later(LAST_SECONDS, super().shutdown)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._headers, self._reader, self._end):
            _stop(timer)

    def _end_after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
