"""Keeps standard output for what was asked for: what plugins and libraries print goes to standard error.

A program that reads the one JSON object of `--json` must find nothing else there, whoever prints, and in whatever way:
`print`, a logging handler, a progress bar, a child process, C code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

STDOUT, STDERR = 1, 2  # the process's own file descriptors


@dataclass(frozen=True)
class _Kept:
    """Standard output as it was: Python's stream, and a copy of the descriptor if the stream is the process's own."""

    stream: IO[str]
    descriptor: int | None


_kept: _Kept | None = None


def set_aside() -> None:
    """From now on, send to standard error whatever is printed."""
    global _kept
    if _kept is not None:
        return
    stream = sys.stdout
    stream.flush()
    descriptor = None
    if _descriptor(stream) == STDOUT:
        with suppress(OSError):
            descriptor = os.dup(STDOUT)
            os.dup2(STDERR, STDOUT)
    _kept = _Kept(stream, descriptor)
    sys.stdout = sys.stderr


def give_back() -> None:
    """Let standard output be itself again."""
    global _kept
    if _kept is None:
        return
    kept, _kept = _kept, None
    # Whoever has taken hold of the stream before, as a logging handler does, has written into its buffer.
    kept.stream.flush()
    sys.stdout = kept.stream
    if kept.descriptor is not None:
        os.dup2(kept.descriptor, STDOUT)
        os.close(kept.descriptor)


@contextmanager
def aside() -> Iterator[None]:
    """Send to standard error whatever is printed meanwhile."""
    already = _kept is not None
    set_aside()
    try:
        yield
    finally:
        if not already:
            give_back()


@contextmanager
def for_the_result() -> Iterator[None]:
    """Let standard output be itself while the result is printed, and go aside again."""
    was_aside = _kept is not None
    give_back()
    try:
        yield
    finally:
        if was_aside:
            set_aside()


def standard_output() -> IO[str]:
    """Python's stream to standard output, whether or not it is set aside."""
    return sys.stdout if _kept is None else _kept.stream


def _descriptor(stream: IO[str]) -> int | None:
    """The descriptor under a stream; None where there is none, as in a test or a notebook."""
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
