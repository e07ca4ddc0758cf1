"""Ports of this machine that no other test's server can get, whichever process it is in."""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []


def keep_port(port: int = 0) -> int:
    """Take a port on the loopback, any one by default, until this process ends, and return it.

    Who connects is refused. A server that sets SO_REUSEADDR, as Python's do, may listen at it all the same.
    """
    end = socket.socket()
    _kept.append(end)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind(("127.0.0.1", port))
    return int(end.getsockname()[1])
