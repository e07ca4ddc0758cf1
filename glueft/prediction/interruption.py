"""SIGTERM ends a prediction as Ctrl-C does: unfinished files are removed on the way out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM  # what a shell reports of a program that the signal ended


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave the block by SystemExit when SIGTERM comes; outside of the main thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
