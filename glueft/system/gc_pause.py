"""Pauses Python's garbage collector while libraries are imported, a model is built and its graph is traced."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the collector in the block; one that was off before stays off.

    Imports and tracing make hundreds of thousands of objects that stay. Scanning them takes a sixth of the processor
    time to the first step and frees nothing (tests/benchmarks/NOTES.md).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
