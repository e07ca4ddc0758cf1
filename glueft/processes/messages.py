"""How the processes of a run talk: each message is a JSON object, and a file may follow it; over TCP.

Never a pickle: what arrives is data.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

# Before each message: the bytes of the JSON object, and of the file that follows it.
_HEAD = struct.Struct(">4sIQ")
_MARK = b"GLFT"
MOST_JSON = 1 << 26
_CHUNK = 1 << 20


class Connection:
    """A connection to another process; any thread may send, one receives.

    Attributes:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._waits = 1
        self._sending = threading.Lock()
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, kind: str, file: Path | None = None, **values: Any) -> None:
        """Send a message, and the content of a file with it.

        Raises:
            OSError: the connection is gone, or the file cannot be read.
        """
        content = json.dumps({"kind": kind} | values).encode()
        size = 0 if file is None else file.stat().st_size
        with self._sending:
            self.end.sendall(_HEAD.pack(_MARK, len(content), size) + content)
            if file is not None:
                with file.open("rb") as opened:
                    self.end.sendfile(opened, count=size)

    def receive(self, folder: Path | None = None) -> dict[str, Any]:
        """Wait for the next message; a file goes into a folder, under the message's `name`.

        Raises:
            OSError: the connection is gone, or the file cannot be written.
            ValueError: this is no message of glueft's.
        """
        mark, length, size = _HEAD.unpack(self._exactly(_HEAD.size))
        if mark != _MARK or length > MOST_JSON or (size and folder is None):
            raise ValueError("not a message of glueft's")
        message: dict[str, Any] = json.loads(self._exactly(length))
        if size or message.get("name"):
            assert folder is not None
            path = folder / message["name"]
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"a file outside its folder: {message['name']}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as opened:
                while size:
                    size -= opened.write(self._some(min(size, _CHUNK)))
        return message

    def expect_signs(self, seconds: float) -> None:
        """From now on raise TimeoutError where the other end is silent for so long, or takes nothing for half of it."""
        # In two halves: where all processes of a job are stopped for a while, no sign can have come in the first.
        self.end.settimeout(seconds / 2)
        self._waits = 2

    def break_off(self) -> None:
        """Have whoever sends or receives get an error, at both ends."""
        with suppress(OSError):
            self.end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Break off and close it; no other thread may use it any more."""
        self.break_off()
        self.end.close()

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            parts.append(self._some(count))
            count -= len(parts[-1])
        return b"".join(parts)

    def _some(self, most: int) -> bytes:
        for left in reversed(range(self._waits)):
            try:
                content = self.end.recv(most)
                break
            except TimeoutError:
                if not left:
                    raise
        if not content:
            raise ConnectionResetError("the other end has closed the connection")
        return content
