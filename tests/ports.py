"""A port of this machine that nobody listens at."""

from __future__ import annotations

import socket


def free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])
