"""Refuses connections for a while, and notes who tried."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def offline(attempts: list[str]) -> Iterator[None]:
    """Refuse every connection but those of the machine's own sockets (AF_UNIX).

    Args:
        attempts: gets the hosts that were asked for.
    """

    def refuse(host: Any, *rest: Any, **named: Any) -> Any:
        attempts.append(str(host))
        raise OSError("no connections while a plugin is checked")

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def guard(self: socket.socket, address: Any) -> Any:
            if self.family == getattr(socket, "AF_UNIX", None):
                return connect(self, address)
            return refuse(address[0] if isinstance(address, tuple) else address)

        return guard

    with (
        patch.object(socket.socket, "connect", guarded(socket.socket.connect)),
        patch.object(socket.socket, "connect_ex", guarded(socket.socket.connect_ex)),
        patch.object(socket, "getaddrinfo", refuse),
    ):
        yield
