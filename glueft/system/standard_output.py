"""Reserves standard output for results: what plugins and libraries print goes to standard error.

A program that reads the JSON object of `--json` must find nothing else there, whether it is printed by `print`, a
logging handler, a progress bar, a child process or C code.
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
    """The earlier standard output: Python's stream, and a copy of the descriptor if the stream is the process's own."""

    stream: IO[str]
    descriptor: int | None


_kept: _Kept | None = None


def set_aside() -> None:
    """Redirect standard output to standard error."""
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
    """Undo `set_aside`."""
    global _kept
    if _kept is None:
        return
    kept, _kept = _kept, None
    # A logging handler may hold the stream and have written into its buffer.
    kept.stream.flush()
    sys.stdout = kept.stream
    if kept.descriptor is not None:
        os.dup2(kept.descriptor, STDOUT)
        os.close(kept.descriptor)


@contextmanager
def aside() -> Iterator[None]:
    """Redirect standard output to standard error in the block."""
    already = _kept is not None
    set_aside()
    try:
        yield
    finally:
        if not already:
            give_back()


@contextmanager
def for_the_result() -> Iterator[None]:
    """Restore standard output in the block, to print the result."""
    was_aside = _kept is not None
    give_back()
    try:
        yield
    finally:
        if was_aside:
            set_aside()


def standard_output() -> IO[str]:
    """Return Python's stream to standard output, redirected or not."""
    return sys.stdout if _kept is None else _kept.stream


def _descriptor(stream: IO[str]) -> int | None:
    """Return the descriptor of a stream; None where it has none, as in a test or a notebook."""
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
