"""How TensorFlow multiplies on a CPU and where it takes memory from: settings to make before it is imported."""

from __future__ import annotations

import ctypes
import os
import sys

from glueft.training.jit_compile import keras_backend

# TensorFlow's own switch, read once: "1" takes matrix products from oneDNN, "0" from Eigen. Left alone, it chooses
# oneDNN on Intel's newer processors only.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

# glibc's mallopt(3): the number of a parameter from malloc.h, and its value in bytes. A step frees small blocks by the
# thousand, and the threads' heaps (64 MiB each) that they leave empty would go back to the system and be asked for
# again, page by page, in the next step. The size from which on a block has pages of its own cannot be set as well:
# TensorFlow sets it (to 128 KiB) with every generator that feeds it.
M_TOP_PAD = -2
HEAP_KEPT = 64 << 20


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
        mallopt(M_TOP_PAD, HEAP_KEPT)


def onednn_setting() -> str | None:
    """Return what TensorFlow was told about oneDNN: "1", "0", or None where it chose itself or is not the backend."""
    return os.environ.get(ONEDNN) if keras_backend() == "tensorflow" else None
