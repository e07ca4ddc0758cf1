"""Python's garbage collector, kept still while libraries are imported, a model is built and its graph is traced."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Look for no garbage in the meantime; whoever had turned the collector off keeps it off.

    Imports and tracing make objects by the hundred thousand that stay, and every look at all of them is in vain: a
    sixth of the processor time to the first step (tests/benchmarks/NOTES.md).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
