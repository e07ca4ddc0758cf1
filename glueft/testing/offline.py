"""Forbids connections for a while, and remembers who tried."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse every connection but those within the machine's own files (AF_UNIX).

    Yields:
        The hosts that were asked for, filled as they are.
    """
    attempts: list[str] = []
    connect: Any = socket.socket.connect
    connect_ex: Any = socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo
    unix = getattr(socket, "AF_UNIX", None)

    def refuse(host: object) -> None:
        attempts.append(str(host))
        raise OSError("no connections while a plugin is checked")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != unix:
            refuse(address[0] if isinstance(address, tuple) else address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family != unix:
            refuse(address[0] if isinstance(address, tuple) else address)
        return int(connect_ex(self, address))

    def guarded_getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        refuse(host)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_getaddrinfo
    try:
        yield attempts
    finally:
        socket.socket.connect = connect
        socket.socket.connect_ex = connect_ex
        socket.getaddrinfo = getaddrinfo
