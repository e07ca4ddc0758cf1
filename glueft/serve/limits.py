"""What the service takes of a client, and how long it waits for one."""

from __future__ import annotations

from dataclasses import dataclass

# Bytes of a request's body.
LARGEST_BODY = 4 * 2**20
# Bytes of a body that is too large which are read and dropped before it is refused.
LONGEST_READ = 16 * LARGEST_BODY
# Characters of a text: more than any encoder reads, and no second of a tokenizer's time.
LONGEST_TEXT = 100_000

# Seconds. Each is bounded, so that a slow client holds nothing but its own connection, and the service can end.
HEADER_SECONDS = 10.0  # until all headers of a request are there
BODY_SECONDS = 20.0  # until all of its body is there
SEND_SECONDS = 20.0  # until a client goes on to read its answer
IDLE_SECONDS = 30.0  # until a connection without a request is closed
LAST_SECONDS = 0.5  # until it is when the service ends


@dataclass(frozen=True)
class Limits:
    """Those that the command sets: the rows of one request, and of all requests that wait."""

    rows: int
    waiting: int
