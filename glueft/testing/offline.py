"""Forbids connections for a while, and remembers who tried."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest.mock import patch


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse every connection but those within the machine's own files (AF_UNIX).

    Yields:
        The hosts that were asked for, filled as they are.
    """
    attempts: list[str] = []
    connect: Any = socket.socket.connect
    connect_ex: Any = socket.socket.connect_ex
    unix = getattr(socket, "AF_UNIX", None)

    def refuse(host: object) -> NoReturn:
        attempts.append(str(host))
        raise OSError("no connections while a plugin is checked")

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family == unix:
            return connect(self, address)
        return refuse(address[0] if isinstance(address, tuple) else address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> Any:
        if self.family == unix:
            return connect_ex(self, address)
        return refuse(address[0] if isinstance(address, tuple) else address)

    def guarded_getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        refuse(host)

    with (
        patch.object(socket.socket, "connect", guarded_connect),
        patch.object(socket.socket, "connect_ex", guarded_connect_ex),
        patch.object(socket, "getaddrinfo", guarded_getaddrinfo),
    ):
        yield attempts
