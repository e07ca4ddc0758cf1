"""How TensorFlow multiplies on a CPU and where it takes memory from: settings to make before it is imported."""

from __future__ import annotations

import ctypes
import os
import sys

from glueft.jit_compile import keras_backend

# TensorFlow's own switch, read once: "1" takes matrix products from oneDNN, "0" from Eigen. Left alone, it chooses
# oneDNN on Intel's newer processors only.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

# glibc's mallopt(3): numbers of its parameters from malloc.h, and values in bytes. A step frees tensors of some 10 MB,
# which glibc would hand back to the system and ask for again, page by page, in the next step.
MALLOC_SETTINGS = {
    -3: 32 << 20,  # M_MMAP_THRESHOLD: from this size on a block has pages of its own; glibc takes no more
    -1: 1 << 30,  # M_TRIM_THRESHOLD: so much unused memory is kept
    -2: 64 << 20,  # M_TOP_PAD: and a heap that is empty (64 MiB) is kept too
}


def prepare_tensorflow() -> None:
    """Let TensorFlow use oneDNN on every processor, and keep memory between steps. On other backends nothing is done.

    A value of the user's own for `TF_ENABLE_ONEDNN_OPTS` stays, and so does what an imported TensorFlow has chosen.
    What each is worth is in tests/benchmarks/NOTES.md.
    """
    if keras_backend() != "tensorflow":
        return
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(ONEDNN, "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in MALLOC_SETTINGS.items():
            mallopt(parameter, value)


def onednn_setting() -> str | None:
    """Return what TensorFlow was told about oneDNN: "1", "0", or None where it chose itself or is not the backend."""
    return os.environ.get(ONEDNN) if keras_backend() == "tensorflow" else None
