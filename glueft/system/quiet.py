"""Silences the start-up messages of TensorFlow and other libraries."""

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

STDOUT, STDERR = 1, 2  # the process's own file descriptors; C++ code does not go through sys.stderr

# The real standard error while it is captured.
_shown: int | None = None


def hush_libraries() -> None:
    """Set the libraries to log errors only; must be called before they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # Set explicitly: the tokenizer warns of its threads in a process that forks later.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|datasets|evaluate|jax)(\..*)?$")
    # Of tqdm, which these libraries import: in a notebook it looks for widgets, though none of its bars is shown.
    warnings.filterwarnings("ignore", message="IProgress not found")


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Capture the standard error of the process; show it only if the block fails by a bug.

    TensorFlow's C++ code writes there before it reads its log settings.
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
            raise  # its message is complete
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


def show_errors_alone() -> None:
    """Hide standard output, and what C++ code writes to standard error, until the end of the process.

    `sys.stderr` still goes there.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    shown = os.fdopen(os.dup(STDERR), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    sys.stderr = shown


@contextmanager
def shown_stderr() -> Iterator[None]:
    """Within `captured_stderr`, show what a plugin writes to standard error in the block."""
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
