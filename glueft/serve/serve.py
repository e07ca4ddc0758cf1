"""Serves a model until it is told to end: an event loop in a thread of its own, and the model in this one."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from glueft.errors import ServeError
from glueft.serve.limits import IDLE_SECONDS, Limits
from glueft.serve.waiting import Waiting
from glueft.text import counted

if TYPE_CHECKING:
    import uvicorn

    from glueft.inference.text_columns import TextChoice
    from glueft.serve.answering import Answering

PACKAGES = ("uvicorn", "starlette")
# Seconds after which this thread looks whether it is to end.
PATIENCE = 0.1
ANOTHER_PORT = "name another port with --port (0: any that is free), or end what listens there"


def require_packages() -> None:
    """Raise ServeError unless the packages of the extra are installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(
            f"glueft serve needs the package {missing[0]}, which is not installed",
            expected=f"the packages {' and '.join(PACKAGES)}",
            received=f"no {' and no '.join(missing)}",
            fix="pip install 'glueft[serve]'",
        )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket at an address, before anything is loaded.

    It does not listen: until the model is ready, who connects is refused at once, and does not hang.

    Args:
        host: a name or an address.
        port: 0 for any that is free.

    Raises:
        ServeError: there is no such address, or it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _no_address(host, port, error, "name an address of this machine with --host") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _no_address(host, port, error, ANOTHER_PORT) from None
    return bound


def listen(bound: socket.socket) -> None:
    """Let clients connect to a socket of `bind`; ServeError where another process listens there by now."""
    try:
        bound.listen()
    except OSError as error:  # several may bind an address, and the first that listens has it
        host, port = bound.getsockname()[:2]
        raise _no_address(host, port, error, ANOTHER_PORT) from None


def _no_address(host: str, port: int, error: Exception, fix: str) -> ServeError:
    return ServeError(
        f"the service cannot listen at {host}, port {port}",
        expected="an address of this machine, and a free port",
        received=getattr(error, "strerror", None) or str(error),
        fix=fix,
    )


def address_of(bound: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Whether nobody but this machine reaches a bound socket."""
    host = str(bound.getsockname()[0])
    return host == "::1" or host.startswith("127.")


def serve(
    bound: socket.socket,
    answering: Answering,
    choice: TextChoice,
    facts: Mapping[str, Any],
    limits: Limits,
    *,
    pairs: bool | None,
    names: Collection[str] | None = None,
    max_wait: float,
    ready: Callable[[], None],
    is_over: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Serve until it is to end, then answer what waits, and return.

    Args:
        bound: from `bind`; it is closed in the end.
        answering: the model, warmed up; it answers in this thread alone.
        choice: of the model's texts.
        facts: what `/health` says of the model.
        limits: of the requests.
        pairs: whether the model reads pairs; None where it does not tell.
        names: under which it may be asked beside its address; None for any.
        max_wait: seconds that a row waits for others, to share a batch with.
        ready: called once requests are answered.
        is_over: whether it is to end; asked again and again.
        say: shows a line.

    Raises:
        ServeError: another process listens at the address by now.
    """
    from glueft.serve.service import Service

    metrics = answering.metrics
    # One batch at a time, so that few rows do not wait for all of a long request.
    rows_at_once = answering.model.evaluation_batch_size
    waiting = Waiting(limits.waiting, dropped=lambda rows: metrics.add("glueft_dropped_rows_total", rows))
    ending = threading.Event()
    service = Service(facts, choice, pairs, limits, waiting, metrics, ending.is_set, names)
    server = _Server(service, bound)
    listen(bound)
    try:
        server.thread.start()
        server.started.wait()
        if server.error is None:
            ready()
        while server.thread.is_alive():
            if is_over() and not ending.is_set():
                ending.set()
                server.end()
                say(f"ending: {counted(waiting.rows, 'row')} still to answer; another signal ends at once")
            parts = waiting.take(rows_at_once, 0.0 if ending.is_set() else max_wait, PATIENCE)
            if parts:
                answering.answer(parts)
    finally:
        server.end()
        bound.close()
    if server.error is not None:
        raise server.error


class _Server:
    """uvicorn in a thread, where it leaves signals alone."""

    def __init__(self, service: Any, bound: socket.socket) -> None:
        self.service, self.bound = service, bound
        self.thread = threading.Thread(target=self._run, name="glueft-serve", daemon=True)
        self.started = threading.Event()
        self.error: Exception | None = None
        self.uvicorn: uvicorn.Server | None = None
        self._ends = False

    def end(self) -> None:
        """Take no more connections, and end once all requests are answered."""
        self._ends = True
        if self.uvicorn is not None:
            self.uvicorn.should_exit = True

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self.error = error
        finally:
            self.started.set()

    async def _serve(self) -> None:
        import uvicorn

        from glueft.serve.connections import Connection

        for name in ("uvicorn.error", "asyncio"):
            # A client's mistakes are answered, and not told here.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            self.service.app(),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(IDLE_SECONDS),
        )
        self.uvicorn = uvicorn.Server(config)
        serving = asyncio.ensure_future(self.uvicorn.serve(sockets=[self.bound]))
        while not self.uvicorn.started and not serving.done():
            await asyncio.sleep(0.01)
        self.started.set()
        self.uvicorn.should_exit |= self._ends
        await serving
