"""Keeps the start-up noise of TensorFlow and other libraries off the user's screen."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from glueft.errors import GlueftError

STDERR = 2  # the process's own file descriptor; C++ code does not go through sys.stderr

# Where standard error leads in truth while it is captured.
_shown: int | None = None


def hush_libraries() -> None:
    """Turn the libraries' own switches down to errors; must come before they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # Said outright, for the tokenizer warns of its threads in a process that forks later.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|datasets|evaluate|jax)(\..*)?$")


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Hold back what is written to the standard error of the process; show it only if the block fails by a bug.

    TensorFlow's C++ side writes its greeting there before any of its log switches is read.
    """
    global _shown
    sys.stderr.flush()
    before = os.dup(STDERR)
    with _held_back() as held:
        os.dup2(held.fileno(), STDERR)
        _shown = before
        try:
            yield
        except GlueftError:
            raise  # it says itself what the user needs
        except Exception:
            sys.stderr.flush()
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            _shown = None
            sys.stderr.flush()
            os.dup2(before, STDERR)
            os.close(before)


def _held_back() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:  # the disk is full, or there is no place for such files
        return Path(os.devnull).open("w+b")


@contextmanager
def shown_stderr() -> Iterator[None]:
    """While a plugin is at work within `captured_stderr`: show what it writes there."""
    if _shown is None:
        yield
        return
    sys.stderr.flush()
    held = os.dup(STDERR)
    os.dup2(_shown, STDERR)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(held, STDERR)
        os.close(held)
